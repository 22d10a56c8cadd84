# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.answer

# Answers that promise what only people may promise are refused. This reads the text of the answer, so streams are held back until it is complete.

default verdict := {"outcome": "deny", "reasons": [{"rule": "answer.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	input.intent_verdict.outcome == "allow"
	count(reasons) == 0
}

verdict := {"outcome": "deny", "reasons": reasons} if count(reasons) > 0

# The message names the kind of promise and not the words: reasons go to the caller and onto the record.
reasons contains {"rule": "promises.phrase", "message": sprintf("the answer makes a promise: %v", [kind])} if {
	some kind, phrases in data.promises
	some phrase in phrases
	contains(text, phrase)
}

reasons contains {"rule": "promises.date", "message": "the answer promises a date"} if {
	regex.match(`(?:by|before|until) [0-9]{4}-[0-9]{2}-[0-9]{2}`, text)
}

text := lower(input.answer.text)
