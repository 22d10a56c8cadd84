package gateway.answer_test

import data.gateway.answer

of(tenant, route, said) := {
	"subject": {"tenant": tenant},
	"request": {"route": route},
	"intent_verdict": {"outcome": "allow"},
	"answer": object.union({"schema_valid": null, "repairs": 0, "fallback": false, "confidence": null, "signals": {}}, said),
}

doubtful := {"confidence": 0.31, "signals": {"logprobs": 0.22, "repairs": 1}}

limits := {"default": 0.0, "routes": {"triage": 0.5}, "tenants": {"globex": {"triage": 0.2}}}

reviewed := {"triage": {"mode": "review", "queue": "reviews"}}

rules(verdict) := {reason.rule | some reason in object.get(verdict, "reasons", [])}

test_the_answer_to_an_allowed_intent_goes_out if {
	verdict := answer.verdict with input as {"intent_verdict": {"outcome": "allow"}}
	verdict.outcome == "allow"
	verdict.obligations.reveal.caller == set()
}

test_no_answer_goes_out_without_an_allowed_intent if {
	every verdict in [{"outcome": "deny"}, {}, null] {
		decided := answer.verdict with input as {"intent_verdict": verdict}
		decided.outcome == "deny"
	}
}

test_an_answer_that_breaks_its_schema_is_refused if {
	verdict := answer.verdict with input as of("acme", "extract", {"schema_valid": false, "repairs": 1})
	verdict.outcome == "deny"
	rules(verdict) == {"answer.schema"}
}

test_an_answer_that_meets_its_schema_or_has_none_goes_out if {
	every valid in [true, null] {
		verdict := answer.verdict with input as of("acme", "extract", {"schema_valid": valid})
		verdict.outcome == "allow"
	}
}

test_low_confidence_is_left_to_a_person_with_the_figures_and_signals if {
	verdict := answer.verdict with input as of("acme", "triage", doubtful) with data.confidence as limits with data.review as reviewed
	verdict.outcome == "escalate"
	verdict.obligations.approval == {"mode": "review", "queue": "reviews"}
	some reason in verdict.reasons
	reason.rule == "answer.confidence"
	reason.message == "confidence in the answer is 0.31 and has to be 0.5 on this route, judging by: logprobs, repairs"
}

test_what_a_person_has_reviewed_goes_out if {
	after := object.union(of("acme", "triage", doubtful), {"approvals": [{"hook": "answer", "by": "key_2", "action": "accept"}]})
	verdict := answer.verdict with input as after with data.confidence as limits with data.review as reviewed
	verdict.outcome == "allow"
}

test_an_approval_of_the_intent_is_no_review_of_the_answer if {
	before := object.union(of("acme", "triage", doubtful), {"approvals": [{"hook": "intent", "by": "key_2", "action": "accept"}]})
	verdict := answer.verdict with input as before with data.confidence as limits with data.review as reviewed
	verdict.outcome == "escalate"
}

test_without_reviewers_low_confidence_is_refused if {
	verdict := answer.verdict with input as of("acme", "triage", doubtful) with data.confidence as limits with data.review as {}
	verdict.outcome == "deny"
	rules(verdict) == {"answer.confidence"}
}

test_nobody_reviews_what_answers_no_allowed_intent if {
	denied := object.union(of("acme", "triage", doubtful), {"intent_verdict": {"outcome": "deny"}})
	verdict := answer.verdict with input as denied with data.confidence as limits with data.review as reviewed
	verdict.outcome == "deny"
}

test_confidence_at_the_limit_goes_out if {
	verdict := answer.verdict with input as of("acme", "triage", {"confidence": 0.5}) with data.confidence as limits
	verdict.outcome == "allow"
}

test_no_confidence_is_not_low_confidence if {
	verdict := answer.verdict with input as of("acme", "triage", {"confidence": null}) with data.confidence as limits
	verdict.outcome == "allow"
}

test_a_tenant_has_its_own_limit if {
	verdict := answer.verdict with input as of("globex", "triage", doubtful) with data.confidence as limits
	verdict.outcome == "allow"
}

test_a_route_without_a_limit_has_the_default if {
	allowed := answer.verdict with input as of("acme", "assistant", doubtful) with data.confidence as limits
	allowed.outcome == "allow"
	refused := answer.verdict with input as of("acme", "assistant", doubtful) with data.confidence as {"default": 0.9}
	rules(refused) == {"answer.confidence"}
}

test_nobody_in_particular_has_the_default if {
	answer.least_confidence == 0.9 with input as {} with data.confidence as {"default": 0.9}
}

test_every_reason_is_given if {
	said := object.union(doubtful, {"schema_valid": false})
	verdict := answer.verdict with input as of("acme", "assistant", said) with data.confidence as {"default": 0.9}
	rules(verdict) == {"answer.confidence", "answer.schema"}
}

test_nobody_reviews_what_breaks_its_schema if {
	said := object.union(doubtful, {"schema_valid": false})
	verdict := answer.verdict with input as of("acme", "triage", said) with data.confidence as limits with data.review as reviewed
	verdict.outcome == "deny"
	rules(verdict) == {"answer.schema"}
}
