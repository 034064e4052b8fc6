import CExt2FS
import Glibc

/// Connects libext2fs to an object of this library. libext2fs takes an `io_manager`, a table of functions, and opens
/// channels by a device's name. Here the name holds the object's address.
enum IOChannel {
    /// A table with the functions that are the same for every object. The caller sets `open` to a function that calls
    /// ``open(_:_:_:)``. The table is never freed: it is made once for each type of object.
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

    /// The name that opens an object. It is valid while the object exists.
    static func deviceName(of object: AnyObject) -> String {
        String(UInt(bitPattern: Unmanaged.passUnretained(object).toOpaque()))
    }

    /// Opens the object of that name. It must have the type that the manager is for.
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

    /// The object of a channel.
    static func object<Object: AnyObject>(of channel: io_channel?) -> Object? {
        guard let data = channel?.pointee.private_data else { return nil }
        return Unmanaged<Object>.fromOpaque(data).takeUnretainedValue()
    }
}
