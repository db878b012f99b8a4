import CHiredis
import NIOCore
