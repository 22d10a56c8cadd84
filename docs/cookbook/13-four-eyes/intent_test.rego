package gateway.intent_test

import data.gateway.intent

asked(route, persons) := {
	"subject": {"id": "key_1", "tenant": "acme"},
	"request": {"route": route},
	"approvals": [{"hook": "intent", "by": person} | some person in persons],
}

test_two_persons_are_asked_for if {
	verdict := intent.verdict with input as asked("assistant-large", [])
	verdict.outcome == "escalate"
	verdict.obligations.approval.min_approvers == 2
	{reason.message | some reason in verdict.reasons} == {"assistant-large needs the approval of 2 persons"}
}

test_one_person_is_not_two if {
	every persons in [["key_2"], ["key_2", "key_2"], ["key_2", "key_1"]] {
		verdict := intent.verdict with input as asked("assistant-large", persons)
		verdict.outcome == "escalate"
	}
}

test_two_others_are_enough if {
	verdict := intent.verdict with input as asked("assistant-large", ["key_2", "key_3"])
	verdict.outcome == "allow"
}

test_other_routes_need_nobody if {
	verdict := intent.verdict with input as asked("assistant", [])
	verdict.outcome == "allow"
}

test_nobody_in_particular_may_not if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}
