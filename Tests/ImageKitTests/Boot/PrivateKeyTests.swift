import Testing

@testable import ImageKit

@Suite struct PrivateKeyTests {
    @Test func recognisesPrivateKeys() {
        for (text, isKey) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", true), ("-----BEGIN PRIVATE KEY-----\n", true),
            ("-----BEGIN RSA PRIVATE KEY-----\r\n", true), ("-----BEGIN PGP PRIVATE KEY BLOCK-----", true),
            ("# created: 2026\nAGE-SECRET-KEY-1QQQ", true), ("AGE-SECRET-KEY-PQ-1QQQ", true),
            ("AGE-SECRET-KEY-...\nAGE-SECRET-KEY-1", true), ("AGE-SECRET-KEY-x", false), ("AGE-SECRET-KEY-\n1", false),
            ("text\n\n-----BEGIN EC PRIVATE KEY-----", true),
            ("-----BEGIN -----BEGIN PRIVATE KEY", true),
            (String(repeating: "x", count: 4000) + "AGE-SECRET-KEY-1", true),
            ("-----BEGIN PUBLIC KEY-----", false), ("-----BEGIN CERTIFICATE-----\nPRIVATE KEY", false),
            ("PRIVATE KEY", false), ("AGE-SECRET-KEY-", false), ("", false), ("-----BEGIN ", false),
        ] { #expect(PrivateKey.isIn(Array(text.utf8)) == isKey, "\(text.prefix(50))") }
    }
}
