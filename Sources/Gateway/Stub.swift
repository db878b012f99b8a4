import AsyncHTTPClient
import Hummingbird
import JWTKit
import NIOSSL
import ServiceLifecycle
