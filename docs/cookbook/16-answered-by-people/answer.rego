# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.answer

# Where people answer, nothing leaves that a person did not write.

default verdict := {"outcome": "deny", "reasons": [{"rule": "answer.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	input.intent_verdict.outcome == "allow"
	not of_a_machine
}

verdict := {"outcome": "deny", "reasons": [{"rule": "people.only", "message": "only people answer here"}]} if of_a_machine

default of_a_machine := false

of_a_machine if {
	data.people[input.request.route]
	object.get(input, ["answer", "source"], "") != "person"
}
