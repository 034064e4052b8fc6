import SystemPackage
import Testing

@testable import ImageKit

/// Errors and advice: their texts, and who is to blame.
@Suite struct ImageErrorTests {
    @Test func describesItselfInOneLine() {
        let error = ImageError(
            .doesNotFit, "cannot write", path: "/a\nb", offset: 7, reason: "it is full", remedy: "use \(.threads, "2")")
        #expect(error.description == "cannot write '/a\\x0ab' at byte 7: it is full; use threads 2")
        #expect(error.description { "--\($0.name)=\($1 ?? "")" }.hasSuffix("; use --threads=2"))
        #expect(ImageError(.internal, "failed").description == "failed")
    }

    @Test func keepsItsFirstPath() {
        let error = ImageError(.corrupt, "cannot read", reason: "it is short")
        #expect(error.on("/x").path == "/x" && error.on("/x").on("/y").path == "/x")
        #expect(error.on("/x").fault == "cannot read: it is short")
    }

    @Test func blamesByKind() {
        #expect(ImageError(.corrupt, "").blame == .image && ImageError(.notFound, "").blame == .caller)
        #expect(ImageError(.changed, "").blame == .environment && ImageError(.internal, "").blame == .program)
        #expect(ImageError.Blame.caller.isInput && !ImageError.Blame.program.isInput)
    }

    @Test func followsTheSystem() {
        let error = ImageError.system(.noSuchFileOrDirectory, "cannot open", path: "/x")
        #expect(error.code == .notFound && error.reason == "No such file or directory")
        #expect(error.remedy == "check the path")
        #expect(ImageError.system(.noSpace, "", path: "/x").code == .doesNotFit)
        #expect(ImageError.system(.ioError, "", path: "/x", remedy: "wait").remedy == "wait")
    }

    @Test func joinsAdvice() {
        let advice: Advice = "use \(.frameSize)" + " or \(7)"
        #expect(advice.description == "use frame size or 7")
        let outer: Advice = "please \(advice)"
        #expect(outer.text { setting, _ in setting == .frameSize ? "--frame" : "" } == "please use --frame or 7")
    }
}
