package gateway.disclosure

# What each class of data may reveal to which destination. The classes and the grants are tables in data.yaml.
# What no class names is granted to nobody, so a category that is found one day is safe before anybody thinks of it.

grants := {destination: categories |
	some destination, classes in data.disclosure.grants
	categories := {category |
		some class in classes
		some category in data.disclosure.classes[class]
	}
}
