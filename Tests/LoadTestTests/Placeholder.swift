import Testing
@testable import apus_loadtest
