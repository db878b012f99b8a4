import Core
import NIOCore
import Testing

@testable import Gateway

@Suite("Users of whom nobody knows what became of an append")
struct UncertainUsersTests {
    private var users = UncertainUsers()
    private let ann = UserID("ann").unsafelyUnwrapped
    private let ben = UserID("ben").unsafelyUnwrapped

    /// One look, to its end. - Returns: At whom.
    private mutating func look(mayBeLate: Bool = false) -> [UserID] {
        defer { users.endLook() }
        return users.beginLook(mayBeLate: mayBeLate).sorted()
    }

    @Test("are looked at in some beats, and then no more; whoever is added again begins anew")
    mutating func beats() {
        users.add(ann)
        var looks = (0..<2).map { _ in look() }
        users.add(ben)
        users.add(ben)
        looks += (0..<4).map { _ in look() }
        #expect(looks == [[ann], [ann], [ann, ben], [ben], [ben], []])
    }

    @Test("use up no look while what was given up may still be done")
    mutating func late() {
        users.add(ann)
        var looks = (0..<10).map { _ in look(mayBeLate: true) }
        looks += (0..<4).map { _ in look() }
        #expect(looks == Array(repeating: [ann], count: 13) + [[]])
    }

    @Test("are not looked at twice at the same time")
    mutating func overlap() {
        users.add(ann)
        let first = users.beginLook(mayBeLate: false)
        let second = users.beginLook(mayBeLate: false)
        #expect(first == [ann] && second.isEmpty)
        users.endLook()
        let third = users.beginLook(mayBeLate: false)
        #expect(third == [ann])
    }

    @Test("A store is left alone for four times as long as it took, and for no more than 5 s in a run, however large")
    func pacing() {
        let few = HeadPacing(users: 150)
        #expect(few.pause(afterNanoseconds: 1_000_000) == .milliseconds(4))
        #expect(few.pause(afterNanoseconds: .max) == .milliseconds(2500), "two questions")
        for users in [0, 1, 100, 19_000, 1_000_000] {
            let questions = Int64(max(1, (users + 99) / 100))
            let all = HeadPacing(users: users).pause(afterNanoseconds: .max).nanoseconds * questions
            #expect(all <= 5_000_000_000, "\(users)")
        }
    }
}
