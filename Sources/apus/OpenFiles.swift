import Foundation
import Logging

/// Every session is an open file, and shells hand out a soft limit of 1,024.
enum OpenFiles {
    /// Raises the soft limit to the hard one, as Go and Java servers do.
    static func raiseLimit(_ logger: Logger) {
        var limit = rlimit()
        #if os(Linux)
            let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let files = RLIMIT_NOFILE
        #endif
        guard getrlimit(files, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(files, &limit) == 0 else {
            return logger.warning("the limit of open files could not be raised", metadata: ["errno": "\(errno)"])
        }
    }
}
