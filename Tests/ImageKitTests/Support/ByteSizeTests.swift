import Testing

@testable import ImageKit

@Suite struct ByteSizeTests {
    @Test(
        arguments: [
            ("4096", 4096), ("30M", 31_457_280), ("1g", 1_073_741_824), ("2KiB", 2048), ("0", 0),
            ("8388607T", 9_223_370_937_343_148_032),
        ] as [(String, UInt64)])
    func parses(text: String, bytes: UInt64) {
        #expect(ByteSize.parse(text) == bytes)
    }

    @Test(arguments: ["", "M", "-1", "1.5G", "30X", "99999999999999999999", "9999999T", "1 M"])
    func refuses(text: String) {
        #expect(ByteSize.parse(text) == nil)
    }

    @Test(
        arguments: [
            (0, "0 B"), (912, "912 B"), (1024, "1 KiB"), (1536, "1.50 KiB"), (67_108_864, "64 MiB"),
            (2_802_000_000, "2.60 GiB"), (.max, "15.9 EiB"),
        ] as [(UInt64, String)])
    func formats(bytes: UInt64, text: String) {
        #expect(ByteSize.format(bytes) == text)
    }
}
