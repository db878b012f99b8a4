extension ChildProcess {
    /// As `start`, of a process that does not outlive this one: the kernel sends it SIGKILL when this one is gone, however
    /// it went (`PR_SET_PDEATHSIG`, prctl(2)). What it starts itself is not tied, nor is it in the milliseconds before
    /// `setpriv` has run. Linux only.
    ///
    /// The kernel ties a process to the *thread* that starts it, so all of them are started by one that never ends.
    ///
    /// - Parameter setpriv: The path of that program, which is in util-linux. It becomes the executable, so a path that is
    ///   none is no error here: the process says so and ends with 127.
    public static func startTied(
        by setpriv: String, _ executable: String, _ arguments: [String] = [], environment: [String: String]? = nil,
        folder: String? = nil, input: Int32? = nil, output: Int32? = nil, error: Int32? = nil
    ) throws(SpawnError) -> ChildProcess {
        try LastingThread.shared.run {
            Result { () throws(SpawnError) in
                try start(
                    setpriv, ["--pdeathsig", "KILL", executable] + arguments, environment: environment, folder: folder,
                    input: input, output: output, error: error)
            }
        }.get()
    }
}
