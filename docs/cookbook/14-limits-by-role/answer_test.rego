package gateway.answer_test

import data.gateway.answer

paying(arguments, roles) := {
	"intent_verdict": {"outcome": "allow"},
	"answer": {"tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "pay", "arguments": arguments}}]},
	"approvals": [{"hook": "answer", "by": sprintf("of %v", [role]), "roles": ["reviewer", role]} | some role in roles],
}

test_small_change_needs_nobody if {
	verdict := answer.verdict with input as paying(`{"amount": 100}`, [])
	verdict.outcome == "allow"
}

test_the_amount_says_whose_queue_it_is if {
	every amount, queue in {`{"amount": 101}`: "leads", `{"amount": 1000.5}`: "treasury", `{"amount": 20001}`: "directors"} {
		verdict := answer.verdict with input as paying(amount, [])
		verdict.outcome == "escalate"
		verdict.obligations.approval.queue == queue
	}
}

test_who_may_approve_it_lets_it_go if {
	verdict := answer.verdict with input as paying(`{"amount": 15000}`, ["treasurer"])
	verdict.outcome == "allow"
}

test_who_may_not_approve_as_much_does_not_let_it_go if {
	verdict := answer.verdict with input as paying(`{"amount": 15000}`, ["lead"])
	verdict.outcome == "escalate"
	{reason.message | some reason in verdict.reasons} == {"a payment of this amount needs a person with the role treasurer"}
}

test_what_nobody_may_approve_and_what_is_unclear_is_refused if {
	every amount in [`{"amount": 5000000}`, `{"amount": "5"}`] {
		verdict := answer.verdict with input as paying(amount, ["director"])
		verdict.outcome == "deny"
	}
}

test_an_answer_without_payments_goes_out if {
	verdict := answer.verdict with input as {"intent_verdict": {"outcome": "allow"}}
	verdict.outcome == "allow"
}

test_no_answer_goes_out_without_an_allowed_intent if {
	verdict := answer.verdict with input as {}
	verdict.outcome == "deny"
}
