/// The frames that were read last, shared by threads. One thread decompresses a frame; others that need it wait.
///
/// The cache keeps at most `capacity` bytes, or a single larger frame. The same holds for the frames that are being
/// decompressed at one time.
final class FrameCache: Sendable {
    /// The content of a frame.
    enum Content: Sendable {
        case bytes(FrameBytes)
        /// Only zeros, which need no memory.
        case zeros
    }

    private enum Slot {
        case loading
        /// `weight` is in bytes. `used` is the time of the last use, on ``State/clock``.
        case ready(Content, weight: UInt64, used: UInt64)
    }

    private struct State {
        var slots: [Int: Slot] = [:]
        /// The weights of all frames that are kept, in bytes.
        var kept: UInt64 = 0
        /// Bytes that are being decompressed.
        var loading: UInt64 = 0
        var clock: UInt64 = 0
    }

    private let capacity: UInt64
    private let state = Monitor(State())

    /// The least weight of a frame, in bytes, and that of a frame of zeros: its entry also takes memory.
    private static let minimumWeight: UInt64 = 64
    /// Above this number of frames, trimming goes down to three quarters of the capacity, so that it does not sort the
    /// frames for each new one.
    private static let manyFrames = 256

    /// - Parameter capacity: the limit for the frames that are kept, in bytes.
    init(capacity: UInt64) { self.capacity = capacity }

    /// The weights of the frames that are kept now, in bytes.
    var bytesKept: UInt64 { state.change { $0.kept } }

    /// The content of a frame of `size` uncompressed bytes: from the cache, or from `load`. If `load` fails, each
    /// waiting thread tries again by itself.
    func content(
        of frame: Int, size: UInt64, load: () throws(ImageError) -> Content
    ) throws(ImageError) -> Content {
        let capacity = capacity
        let kept = state.wait { state -> Content?? in
            switch state.slots[frame] {
            case .loading: return nil
            case .ready(let content, let weight, _):
                state.clock += 1
                state.slots[frame] = .ready(content, weight: weight, used: state.clock)
                return .some(content)
            case nil:
                if state.loading > 0, state.loading + size > capacity { return nil }
                state.slots[frame] = .loading
                state.loading += size
                return .some(nil)
            }
        }
        if let kept { return kept }
        do throws(ImageError) {
            let content = try load()
            let weight = if case .bytes = content { max(size, Self.minimumWeight) } else { Self.minimumWeight }
            state.change { state in
                state.loading -= size
                state.clock += 1
                state.slots[frame] = .ready(content, weight: weight, used: state.clock)
                state.kept += weight
                if state.kept > capacity { Self.trim(&state, to: capacity, keeping: frame) }
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

    /// Removes the least recently used frames, except `frame`, until the rest fits in the capacity.
    private static func trim(_ state: inout State, to capacity: UInt64, keeping frame: Int) {
        var ready: [(used: UInt64, frame: Int, weight: UInt64)] = []
        for case (let frame, .ready(_, let weight, let used)) in state.slots { ready.append((used, frame, weight)) }
        ready.sort { $0.used < $1.used }
        let goal = ready.count > manyFrames ? capacity / 4 * 3 : capacity
        for old in ready where old.frame != frame && state.kept > goal {
            state.slots[old.frame] = nil
            state.kept -= old.weight
        }
    }
}
