import NIOCore
import Wire

/// From a socket's bytes to a request.
extension HotPath {
    /// A message of 60 bytes of text, as clients send it.
    private static let request =
        #"{"id":17,"op":"send","to":"100002","cid":"m-1700000000000-17","body":{"type":"text","text":"#
        + "\"" + String(repeating: "x", count: 60) + "\"}}"

    static let incoming = [
        HotPath("frame.parse", "a masked text frame of \(request.utf8.count) bytes becomes a message") {
            let options = FrameDecoder.Options()
            let frame = FrameEncoder.client(.text, Array(request.utf8), mask: 0x1234_5678)
            var decoder = FrameDecoder()
            return {
                var input = frame
                guard case .text(let message) = decoder.next(&input, options) else {
                    throw BenchmarkError("the frame was not decoded")
                }
                keep(message)
            }
        },
        HotPath("request.parse", "a message becomes a `send` request") {
            let message = Array(request.utf8)
            return {
                let request = ClientRequest.parse(message)
                guard case .success(.chat(.send(let send))) = request.operation else {
                    throw BenchmarkError("the request was not understood")
                }
                keep(send)
            }
        },
    ]
}
