import CExt2FS
import Glibc

/// How libext2fs comes to an object of ours: it takes an `io_manager`, a table of functions, and opens channels by a
/// device's name, which here holds the object's address.
enum IOChannel {
    /// A table of functions with those that are the same for every object. `open` must be set to one that calls
    /// ``open(_:_:_:)``.
    static func manager(_ name: String) -> io_manager {
        let manager = io_manager.allocate(capacity: 1)
        manager.initialize(to: struct_io_manager())
        manager.pointee.magic = mk_et_magic_io_manager()
        manager.pointee.name = UnsafePointer(strdup(name))
        manager.pointee.close = { channel in
            guard let channel else { return mk_et_invalid_argument() }
            channel.pointee.refcount -= 1
            if channel.pointee.refcount > 0 { return 0 }
            free(channel.pointee.name)
            channel.deallocate()
            return 0
        }
        manager.pointee.flush = { _ in 0 }
        return manager
    }

    /// The name under which an object is opened, for as long as it lives.
    static func deviceName(of object: AnyObject) -> String {
        String(UInt(bitPattern: Unmanaged.passUnretained(object).toOpaque()))
    }

    /// Opens the object of that name, which must be of the type that the manager is for.
    static func open(
        _ name: UnsafePointer<CChar>?, _ channel: UnsafeMutablePointer<io_channel?>?, _ manager: io_manager
    ) -> errcode_t {
        guard let name, let channel, let address = UInt(String(cString: name)),
            let object = UnsafeMutableRawPointer(bitPattern: address)
        else { return mk_et_invalid_argument() }
        let opened = io_channel.allocate(capacity: 1)
        opened.initialize(to: struct_io_channel())
        opened.pointee.magic = mk_et_magic_io_channel()
        opened.pointee.manager = manager
        opened.pointee.name = strdup(name)
        opened.pointee.block_size = 1024
        opened.pointee.refcount = 1
        opened.pointee.private_data = object
        channel.pointee = opened
        return 0
    }

    /// The object that a channel was opened for.
    static func object<Object: AnyObject>(of channel: io_channel?) -> Object? {
        guard let data = channel?.pointee.private_data else { return nil }
        return Unmanaged<Object>.fromOpaque(data).takeUnretainedValue()
    }
}
