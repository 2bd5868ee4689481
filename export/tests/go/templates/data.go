// The values that Ollama documents for its templates, as its chat endpoint fills them: messages joined by role,
// tools and calls as typed parts rather than as the JSON that came in.
package main

import (
	"encoding/json"
	"iter"
	"maps"
	"strings"
)

// Message is what a template sees of a message.
type Message struct {
	Role, Content, Thinking string
	ToolCalls               []ToolCall
}

// ToolCall is one call of an assistant's message.
type ToolCall struct {
	Function struct {
		Index     int
		Name      string
		Arguments arguments
	}
}

// arguments prints as JSON and is walked as a map: in the order of its keys.
type arguments map[string]any

func (a arguments) String() string { return compact(a) }

// Tool is a function that the model may call.
type Tool struct {
	Type     string   `json:"type"`
	Function Function `json:"function"`
}

func (t Tool) String() string { return compact(t) }

// Function is a tool's signature.
type Function struct {
	Name        string     `json:"name"`
	Description string     `json:"description"`
	Parameters  Parameters `json:"parameters"`
}

// Parameters is the schema of a function's arguments, as far as Ollama keeps it.
type Parameters struct {
	Type       string              `json:"type"`
	Defs       any                 `json:"$defs,omitempty"`
	Items      any                 `json:"items,omitempty"`
	Required   []string            `json:"required,omitempty"`
	Properties map[string]Property `json:"properties"`
}

// Property is the schema of one argument, as far as Ollama keeps it.
type Property struct {
	AnyOf       []Property   `json:"anyOf,omitempty"`
	Type        PropertyType `json:"type,omitempty"`
	Items       any          `json:"items,omitempty"`
	Description string       `json:"description,omitempty"`
	Enum        []any        `json:"enum,omitempty"`
	Properties  *Ordered     `json:"properties,omitempty"`
	Required    []string     `json:"required,omitempty"`
}

// PropertyType is one type's name or several.
type PropertyType []string

// UnmarshalJSON takes a name or a list of names.
func (p *PropertyType) UnmarshalJSON(data []byte) error {
	if data[0] != '"' {
		return json.Unmarshal(data, (*[]string)(p))
	}
	*p = make([]string, 1)
	return json.Unmarshal(data, &(*p)[0])
}

// MarshalJSON gives a single name as a text.
func (p PropertyType) MarshalJSON() ([]byte, error) {
	if len(p) == 1 {
		return json.Marshal(p[0])
	}
	return json.Marshal([]string(p))
}

func (p PropertyType) String() string {
	if len(p) == 1 {
		return p[0]
	}
	return strings.Join(p, " ")
}

// Ordered holds the properties of an object inside a parameter: these keep their order.
type Ordered struct {
	names []string
	of    map[string]Property
}

// UnmarshalJSON keeps the order of the keys.
func (o *Ordered) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &o.of); err != nil {
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	depth := 0
	key := false
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			key = depth == 1
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
			key = depth == 1
			continue
		}
		if depth != 1 {
			continue
		}
		if name, isText := token.(string); key && isText {
			o.names = append(o.names, name)
		}
		key = !key
	}
}

// All walks the properties in order.
func (o *Ordered) All() iter.Seq2[string, Property] {
	return func(yield func(string, Property) bool) {
		if o == nil {
			return
		}
		for _, name := range o.names {
			if !yield(name, o.of[name]) {
				return
			}
		}
	}
}

// ToMap forgets the order.
func (o *Ordered) ToMap() map[string]Property { return maps.Clone(o.of) }

func compact(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}

// collate joins neighbouring messages of one role, tool results apart, and gathers the system prompts.
func collate(messages []Message) (string, []*Message) {
	var system []string
	var joined []*Message
	for i := range messages {
		message := &messages[i]
		if message.Role == "system" {
			system = append(system, message.Content)
		}
		if n := len(joined); n > 0 && joined[n-1].Role == message.Role && message.Role != "tool" {
			joined[n-1].Content += "\n\n" + message.Content
			continue
		}
		joined = append(joined, message)
	}
	return strings.Join(system, "\n\n"), joined
}
