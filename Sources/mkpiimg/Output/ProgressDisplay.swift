import ArgumentParser
import Glibc
import ImageKit
import Synchronization

/// The form in which progress is shown.
enum ProgressStyle: String, ExpressibleByArgument, CaseIterable {
    case auto, bar, plain, json, none
}

/// Shows a ``Progress`` on standard error until ``end()``.
final class ProgressDisplay: Sendable {
    private let progress: Progress
    private let style: ProgressStyle
    private let isEnding = Atomic<Bool>(false)
    private let hasEnded = Atomic<Bool>(false)

    init(_ progress: Progress, _ style: ProgressStyle) {
        self.progress = progress
        self.style = style
        guard style != .none else {
            hasEnded.store(true, ordering: .releasing)
            return
        }
        var thread = pthread_t()
        let body = Unmanaged.passRetained(self).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<ProgressDisplay>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, body)
        if code == 0 {
            pthread_detach(thread)
        } else {
            Unmanaged<ProgressDisplay>.fromOpaque(body).release()
            hasEnded.store(true, ordering: .releasing)
        }
    }

    /// Stops the display and removes the bar.
    func end() {
        isEnding.store(true, ordering: .releasing)
        while !hasEnded.load(ordering: .acquiring) { usleep(2000) }
    }

    /// Seconds of a clock that never goes back. Only differences have a meaning.
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func run() {
        var phase = Progress.Phase.idle
        var phaseStart = Self.now
        var nextLine = Self.now
        while !isEnding.load(ordering: .acquiring) {
            let snapshot = progress.snapshot
            let now = Self.now
            let isNewPhase = snapshot.phase != phase
            if isNewPhase {
                phase = snapshot.phase
                phaseStart = now
            }
            switch style {
            case .bar: if phase != .idle { StandardError.writeBar(bar(snapshot, after: now - phaseStart)) }
            case .plain, .json:
                // A line at the beginning of a phase, and every five seconds while the image is written.
                if phase != .idle, isNewPhase || (phase == .write && now >= nextLine) {
                    StandardError.write(style == .json ? json(snapshot) : plain(snapshot))
                    nextLine = now + 5
                }
            case .auto, .none: break
            }
            for _ in 0..<10 where !isEnding.load(ordering: .acquiring) { usleep(10_000) }
        }
        if style == .bar { StandardError.write("") }
        hasEnded.store(true, ordering: .releasing)
    }

    // MARK: Texts

    private func bar(_ snapshot: Progress.Snapshot, after seconds: Double) -> String {
        let name = Self.name(snapshot.phase)
        guard snapshot.total > 0 else {
            return snapshot.done > 0 ? "\(name)  \(snapshot.done)" : name
        }
        let share = min(1, Double(snapshot.done) / Double(snapshot.total))
        let percent = "\(Int(share * 100))%"
        var tail = percent.right(in: 4)
        if snapshot.phase == .write {
            tail += "  \(ByteSize.format(snapshot.done)) → \(ByteSize.format(snapshot.written))"
            if seconds > 0.5, snapshot.done > 0 {
                let rate = Double(snapshot.done) / seconds
                tail += "  \(ByteSize.format(UInt64(rate)))/s"
                tail += "  \(Self.time(Double(snapshot.total - min(snapshot.done, snapshot.total)) / rate)) left"
            }
        }
        let room = StandardError.width - name.count - tail.count - 5
        guard room >= 10 else { return String("\(name) \(tail)".prefix(max(1, StandardError.width - 1))) }
        let length = min(room, 40)
        let filled = Int(share * Double(length))
        let drawing = String(repeating: "█", count: filled) + String(repeating: "░", count: length - filled)
        return "\(name)  \(drawing) \(tail)"
    }

    private func plain(_ snapshot: Progress.Snapshot) -> String {
        var line = Self.name(snapshot.phase)
        if snapshot.phase == .write, snapshot.total > 0, snapshot.done > 0 {
            let percent = Int(Double(snapshot.done) / Double(snapshot.total) * 100)
            line += " \(percent)%: \(ByteSize.format(snapshot.done)) → \(ByteSize.format(snapshot.written))"
        }
        return line + "\n"
    }

    private func json(_ snapshot: Progress.Snapshot) -> String {
        """
        {"phase":"\(snapshot.phase)","done":\(snapshot.done),"total":\(snapshot.total),"written":\(snapshot.written)}

        """
    }

    private static func name(_ phase: Progress.Phase) -> String {
        switch phase {
        case .idle: ""
        case .closure: "Finding the closure"
        case .scan: "Scanning files"
        case .deduplicate: "Comparing files"
        case .sample: "Looking for similar files"
        case .layout: "Laying out"
        case .write: "Writing"
        case .check: "Checking store paths"
        case .flush: "Flushing"
        case .decompress: "Decompressing"
        case .compare: "Comparing"
        case .filesystems: "Checking filesystems"
        case .storePaths: "Hashing store paths"
        }
    }

    /// A duration, rounded up: `7 s`, `1:05`, `2:00:09`.
    static func time(_ seconds: Double) -> String {
        let whole = Int(min(max(0, seconds), 359_999).rounded(.up))
        if whole < 60 { return "\(whole) s" }
        func two(_ number: Int) -> String { number.digits(radix: 10, width: 2) }
        if whole < 3600 { return "\(whole / 60):\(two(whole % 60))" }
        return "\(whole / 3600):\(two(whole / 60 % 60)):\(two(whole % 60))"
    }
}
