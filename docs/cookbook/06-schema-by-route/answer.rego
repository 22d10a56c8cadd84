# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.answer

# An answer that still breaks its schema after all repairs and fallbacks is refused with a reason of ours. schema_valid is null where no schema was asked for.

default verdict := {"outcome": "deny", "reasons": [{"rule": "answer.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	input.intent_verdict.outcome == "allow"
	input.answer.schema_valid != false
}

verdict := {"outcome": "deny", "reasons": [{"rule": "schema.broken", "message": "the answer does not have the form of an order"}]} if {
	input.answer.schema_valid == false
}
