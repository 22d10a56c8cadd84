package gateway.disclosure_test

import data.gateway.disclosure

test_the_model_sees_network_addresses if {
	disclosure.grants.model == {"IP_ADDRESS", "MAC_ADDRESS"}
}

test_neither_model_nor_record_sees_people_or_their_money if {
	personal := {"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "CRYPTO", "US_SSN"}
	(disclosure.grants.model | disclosure.grants.record) & personal == set()
}

test_the_caller_is_shown_nothing_that_a_model_volunteers if {
	disclosure.grants.caller == set()
}

test_nothing_is_revealed_by_an_empty_table if {
	grants := disclosure.grants with data.disclosure as {}
	every destination in ["model", "person", "caller", "record"] {
		grants[destination] == set()
	}
}

test_a_class_is_revealed_where_the_table_says if {
	grants := disclosure.grants with data.disclosure as {"contact": {"categories": ["EMAIL_ADDRESS"], "reveal_to": ["person"]}}
	grants.person == {"EMAIL_ADDRESS"}
	grants.model == set()
}

test_secrets_are_in_no_class if {
	every class in data.disclosure {
		not "SECRET" in class.categories
	}
}
