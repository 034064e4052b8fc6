/// The frames that were read last, shared by threads. One thread decompresses a frame; others that need it wait.
///
/// Keeps at most `capacity` bytes. The frames being decompressed at one time have at most `capacity` bytes together, or
/// are a single larger frame.
final class FrameCache: Sendable {
    /// The content of a frame.
    enum Content: Sendable {
        case bytes(FrameBytes)
        /// Only zeros, which need no memory.
        case zeros
    }

    private enum Slot {
        case loading
        /// `used` is the time of the last use, on ``State/clock``.
        case ready(Content, weight: UInt64, used: UInt64)
    }

    private struct State {
        var slots: [Int: Slot] = [:]
        /// Bytes that are kept.
        var kept: UInt64 = 0
        /// Bytes that are being decompressed.
        var loading: UInt64 = 0
        var clock: UInt64 = 0
    }

    private let capacity: UInt64
    private let state = Monitor(State())

    /// The weight of a frame without bytes: its entry also takes memory.
    private static let minimumWeight: UInt64 = 64
    /// From this number of frames on, trimming removes more than it must, so that it does not sort them for each new
    /// one.
    private static let manyFrames = 256

    /// - Parameter capacity: bytes.
    init(capacity: UInt64) { self.capacity = capacity }

    /// Bytes that are kept now.
    var bytesKept: UInt64 { state.change { $0.kept } }

    /// The content of a frame of `size` bytes: from the cache, or from `load`. If `load` fails, each waiting thread
    /// tries again by itself.
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

    /// Removes the least recently used frames.
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
