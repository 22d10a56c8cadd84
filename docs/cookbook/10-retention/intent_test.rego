package gateway.intent_test

import data.gateway.intent

holding(categories) := {
	"subject": {"tenant": "acme"},
	"findings": [{"category": category, "count": 1, "where": "messages[0].content", "origin": "caller"} | some category in categories],
}

days(categories) := found if found := intent.verdict.obligations.retention_days with input as holding(categories)

test_the_most_delicate_class_counts if {
	days([]) == 90
	days(["IP_ADDRESS"]) == 90
	days(["EMAIL_ADDRESS"]) == 30
	days(["EMAIL_ADDRESS", "CREDIT_CARD", "PHONE_NUMBER"]) == 1
}

test_the_record_says_why if {
	verdict := intent.verdict with input as holding(["IBAN_CODE"])
	verdict.obligations.labels == {"kept_for": "ordinary,payment"}
}

test_what_may_not_be_kept_is_not_taken if {
	verdict := intent.verdict with input as holding(["US_SSN", "EMAIL_ADDRESS"])
	verdict.reasons[0].message == "this holds data that may not be kept: contact, identity, ordinary"
}

test_nobody_in_particular_may_not_ask if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}
