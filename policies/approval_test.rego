package gateway.approval_test

import data.gateway.approval

to(route, approvals) := {"request": {"route": route}, "approvals": approvals}

by(person) := {"hook": "intent", "by": person, "mode": "approve", "action": "accept"}

table := {"payments": {"queue": "approvals", "distinct_from": ["requester"]}, "wires": {"queue": "approvals", "min_approvers": 2}}

rules(found) := {reason.rule | some reason in found}

test_a_payment_needs_a_person if {
	rules(approval.needed) == {"approval.route"} with input as to("payments", []) with data.approval as table
}

test_the_terms_are_those_of_the_table if {
	terms := approval.terms with input as to("payments", []) with data.approval as table
	terms == table.payments
}

test_an_approved_payment_needs_nobody_else if {
	approval.needed == set() with input as to("payments", [by("key_2")]) with data.approval as table
}

test_two_approvals_are_of_two_persons if {
	every approvals in [[], [by("key_2")], [by("key_2"), by("key_2")]] {
		rules(approval.needed) == {"approval.route"} with input as to("wires", approvals) with data.approval as table
	}
	approval.needed == set() with input as to("wires", [by("key_2"), by("key_3")]) with data.approval as table
}

test_a_review_of_an_answer_is_no_approval if {
	reviewed := object.union(by("key_2"), {"hook": "answer", "mode": "review"})
	rules(approval.needed) == {"approval.route"} with input as to("payments", [reviewed]) with data.approval as table
}

test_other_routes_need_nobody if {
	approval.needed == set() with input as to("assistant", []) with data.approval as table
}

test_an_input_without_approvals_has_none if {
	rules(approval.needed) == {"approval.route"} with input as {"request": {"route": "payments"}} with data.approval as table
}

test_the_shipped_table_asks_for_a_person_who_did_not_send_it if {
	approval.terms.distinct_from == ["requester"] with input as to("payments", [])
}
