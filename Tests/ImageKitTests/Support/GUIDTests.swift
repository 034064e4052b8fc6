import Testing

@testable import ImageKit

@Suite struct GUIDTests {
    private static let text = "01234567-89ab-cdef-0123-456789abcdef"
    private static let bytes: [UInt8] = [
        0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF,
    ]

    @Test func hasBytesAndTextInOneOrder() throws {
        let guid = try #require(GUID(Self.text))
        #expect(guid.bytes == Self.bytes && guid == GUID(bytes: Self.bytes[...]))
        #expect(guid.description == Self.text && guid.text(uppercase: true) == Self.text.uppercased())
        #expect(GUID(Self.text.uppercased()) == guid)
    }

    @Test func hasTheBytesOfGPTInAnother() throws {
        // The type of an EFI system partition, as its specification prints it and as disks have it.
        let guid = GUID(
            gpt: [
                0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B,
            ])
        #expect(guid?.text(uppercase: true) == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
        #expect(GUID(gpt: [UInt8](repeating: 0, count: 16)) == .zero && guid != .zero)
    }

    @Test(arguments: [
        "", "44444444", "44444444444484448888888888888888", "44444444-4444-4444-8888-88888888888",
        "44444444-4444-4444-8888-8888888888888", "4444444-44444-4444-8888-888888888888",
        "g4444444-4444-4444-8888-888888888888", "+4444444-4444-4444-8888-888888888888",
        "44444444-4444-4444-8888-8888888888-8", "{44444444-4444-4444-8888-888888888888}",
        "٤4444444-4444-4444-8888-888888888888",
    ])
    func refuses(text: String) {
        #expect(GUID(text) == nil)
    }

    @Test(arguments: [0, 1, 15, 17, 32]) func refusesOtherLengths(count: Int) {
        let bytes = [UInt8](repeating: 1, count: count)
        #expect(GUID(bytes: bytes) == nil && GUID(gpt: bytes) == nil)
    }

    @Test func drawsVersionFour() {
        for _ in 0..<100 {
            let bytes = GUID.random().bytes
            #expect(bytes[6] >> 4 == 4 && bytes[8] >> 6 == 0b10)
        }
        #expect(GUID.random() != GUID.random())
    }
}
