/// The frames that were read last, shared by threads: one thread decompresses a frame, others who need it wait for that.
///
/// At most `bound` bytes are kept, and at most `bound` (or one larger frame) are being decompressed at a time.
final class FrameCache: Sendable {
    /// What a frame holds.
    enum Content: Sendable {
        case bytes(FrameBytes)
        /// Zeros, which nothing is kept of.
        case zeros
    }

    private enum Slot {
        case loading
        case ready(Content, weight: UInt64, used: UInt64)
    }

    private struct State {
        var slots: [Int: Slot] = [:]
        var kept: UInt64 = 0
        var loading: UInt64 = 0
        var clock: UInt64 = 0
    }

    private let bound: UInt64
    private let state = Monitor(State())

    init(bound: UInt64) { self.bound = bound }

    /// Bytes that are kept now.
    var bytesKept: UInt64 { state.change { $0.kept } }

    /// A frame's content: the kept one, or what `load` gives. Should that fail, whoever waited tries for itself.
    func content(
        of frame: Int, size: UInt64, load: () throws(ImageError) -> Content
    ) throws(ImageError) -> Content {
        let bound = bound
        let kept = state.wait { state -> Content?? in
            switch state.slots[frame] {
            case .loading: return nil
            case .ready(let content, let weight, _):
                state.clock += 1
                state.slots[frame] = .ready(content, weight: weight, used: state.clock)
                return .some(content)
            case nil:
                if state.loading > 0, state.loading + size > bound { return nil }
                state.slots[frame] = .loading
                state.loading += size
                return .some(nil)
            }
        }
        if let kept { return kept }
        do throws(ImageError) {
            let content = try load()
            // Even nothing takes its place in the list.
            let weight: UInt64 = if case .bytes = content { max(size, 64) } else { 64 }
            state.change { state in
                state.loading -= size
                state.clock += 1
                state.slots[frame] = .ready(content, weight: weight, used: state.clock)
                state.kept += weight
                if state.kept > bound { Self.trim(&state, to: bound, keeping: frame) }
            }
            return content
        } catch {
            state.change { state in
                state.loading -= size
                state.slots[frame] = nil
            }
            throw error
        }
    }

    /// Lets go of the frames that were not used for the longest time: some more than needed where they are many, so that
    /// not every new one has to look through them all.
    private static func trim(_ state: inout State, to bound: UInt64, keeping frame: Int) {
        var ready: [(used: UInt64, frame: Int, weight: UInt64)] = []
        for case (let frame, .ready(_, let weight, let used)) in state.slots { ready.append((used, frame, weight)) }
        ready.sort { $0.used < $1.used }
        let goal = ready.count > 256 ? bound / 4 * 3 : bound
        for old in ready where old.frame != frame && state.kept > goal {
            state.slots[old.frame] = nil
            state.kept -= old.weight
        }
    }
}
