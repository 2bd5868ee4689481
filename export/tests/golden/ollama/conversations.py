"""The conversations over which a Go template must render what the Jinja renders, and those over which it cannot."""


def system(text):
    return {"role": "system", "content": text}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, calls=None, reasoning=None):
    message = {"role": "assistant", "content": text}
    if reasoning is not None:
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = [
            {"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls
        ]
    return message


def result(text):
    return {"role": "tool", "content": text}


def tool(name, description=None, properties=None, required=None):
    function = {"name": name}
    if description is not None:
        function["description"] = description
    if properties is not None:
        parameters = {"type": "object", "properties": properties}
        if required is not None:
            parameters["required"] = required
        function["parameters"] = parameters
    return {"type": "function", "function": function}


WEATHER = tool(
    "get_weather",
    'The weather <now> & "later". Größe in °C',
    {
        "city": {"type": "string", "description": "Stadt, e.g. 北京"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "description": "The unit"},
    },
    ["city"],
)
TIME = tool("get_time", "The time of day.", {"zone": {"type": "string"}}, ["zone"])
SHAPES = tool(
    "shapes",
    "Every kind of parameter.",
    {
        "anything": {},
        "count": {"type": "integer", "enum": [1, 2.5, True, None, "a\tb"], "description": "How many; 5 > 3 && 2 < 4"},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer", "description": "a number"}]},
        "flag": {"type": ["boolean", "null"], "description": "yes\nno"},
        "list": {"type": "array", "items": {"maximum": 0.00001, "minimum": 1, "type": "number"}, "description": "Σ"},
        "nothing": {"type": "string", "description": "\u2028 \u0001 \x7f \u200d"},
        "options": {
            "type": "object",
            "properties": {
                "z": {"type": "string", "description": "first"},
                "a": {"type": "array", "items": {"type": "string"}},
                "inner": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
            },
            "required": ["z"],
            "description": "Some options",
        },
    },
    [],
)
PLAIN = [tool("ping", "No parameters here.", {}), tool("pong"), tool("optional", "All optional.", {"q": {"type": "string"}})]

ARGUMENTS = {
    "a_text": "He said \"no\" <b>&amp;</b> \\ / \u2028 ü 北京 👩‍👩‍👧 \u0001\x7f\b\f\n\r\t end",
    "b_flags": [True, False, None],
    "c_numbers": [0, -1, 3, 0.5, -2.25, 0.1, 123456789.125, 1e-05, -1.5e-07, 0.0001, 9007199254740991],
    "d_empty": {"list": [], "map": {}, "text": ""},
    "e_deep": {"a": {"b": [{"c": "d", "e": ["f", {"g": 1}]}]}},
    "f_code": "def f(x):\n    return {\"a\": [i for i in range(x) if i < 10 and i > 2]}  # {{ . }} {% raw %}\n" * 6,
}


def conversations():
    """(name, messages, tools, think, continues)"""
    hello, hi = user("Hello"), assistant("Hi! How can I help?")
    paris = ("get_weather", {"city": "Paris"})
    rome = ("get_weather", {"city": "Rome", "unit": "celsius"})
    tools = [WEATHER, TIME]

    def one(name, messages, tools=None, think=None):
        last = messages[-1]
        continues = last["role"] == "assistant" and not last.get("tool_calls")
        return {"name": name, "messages": messages, "tools": tools, "think": think, "continues": continues}

    calls = [user("Weather in Paris?"), assistant("", [paris])]
    answered = calls + [result('{"temp": 21, "sky": "clear"}')]
    both = [user("Paris and Rome?"), assistant("I will look.", [paris, rome]), result("21"), result("25 <b>&</b>")]
    return [
        one("user", [hello]),
        one("system", [system("You are a pirate."), hello]),
        one("system empty", [system(""), hello]),
        one("multi turn", [hello, hi, user("Tell me a joke.")]),
        one("system multi turn", [system("Be brief."), hello, hi, user("A joke?"), assistant("No."), user("Why?")]),
        one("system later", [hello, hi, system("Now be rude."), user("Bye")]),
        one("system twice", [system("Be brief."), hello, system("In French."), user("Bye")]),
        one("unicode", [system("Größe: 北京 🦀"), user("👩‍👩‍👧 e\u0301 עברית \u2028 \u00a0x\u3000y \u200d"), assistant("Ωμέγα"), user("…")]),
        one("quotes and markup", [user("\"a\" 'b' <b>&amp;</b> `c` \\n \\ {{ .Content }} {% if %} %s %d"), assistant("<tool>"), user("</s>")]),
        one("white space", [system(" \n Be brief.\n"), user("\n\n  a  \n b \t\n"), assistant("\n\nc\n\n"), user("\u00a0\u3000 d \u2003\u0085")]),
        one("empty contents", [user(""), assistant(""), user("")]),
        one("assistant first", [assistant("Welcome."), hello]),
        one("trailing assistant", [hello, assistant("The answer is")]),
        one("trailing assistant with system", [system("Be brief."), hello, hi, user("More"), assistant("Well, ")]),
        one("tools", [hello], tools),
        one("tools with system", [system("Be brief."), hello], tools),
        one("tools of every shape", [system("Be brief."), hello], [SHAPES]),
        one("tools without parameters", [hello], PLAIN),
        one("tools multi turn", [hello, hi, user("Weather?")], tools),
        one("tool call", calls, tools),
        one("tool call with content", [user("Weather?"), assistant("Let me see.", [paris])], tools),
        one("tool calls", [user("Paris and Rome?"), assistant("", [paris, rome])], tools),
        one("tool calls with content", [user("Paris and Rome?"), assistant("I will look.", [paris, rome])], tools),
        one("tool call without arguments", [user("Ping"), assistant("", [("ping", {})])], PLAIN),
        one("tool call arguments", [user("Go"), assistant("", [("go", ARGUMENTS)])], tools),
        one("tool call history without tools", answered + [assistant("21 degrees."), user("Thanks")]),
        one("tool result", answered, tools),
        one("tool result markup", calls + [result('<b>"x" & y</b> \\ \u2028 ü 北京\n\tz')], tools),
        one("tool results", both, tools),
        one("tool results of one call", answered + [result("and\nmore"), result("")], tools),
        one("tool results then answer", both + [assistant("21 and 25."), user("Thanks")], tools),
        one("tool results then trailing assistant", both + [assistant("It is ")], tools),
        one("tool steps", answered + [assistant("And Rome.", [rome]), result("25"), assistant("Done."), user("Why?")], tools),
        one("tool steps under way", [system("Be brief.")] + answered + [assistant("And Rome.", [rome]), result("25")], tools),
        one("user as tool response", [user("a"), assistant("b"), user("<tool_response>\nx\n</tool_response>")]),
        one("user as part of a tool response", [user("a"), assistant("b"), user("<tool_response>\nx")]),
        one("user as a short tool response", [user("a"), assistant("b"), user("<tool_response>")]),
        one("thinking on", [hello], think=True),
        one("thinking off", [hello], think=False),
        one("thinking off multi turn", [system("Be brief."), hello, hi, user("Bye")], think=False),
        one("thinking off tools", answered, tools, False),
        one("thinking off trailing assistant", [hello, assistant("Well")], think=False),
        one("reasoning in history", [hello, assistant("Hi!", reasoning="They greet me."), user("Bye")], think=True),
        one("reasoning in history off", [hello, assistant("Hi!", reasoning="They greet me."), user("Bye")], think=False),
        one("reasoning before a tool call", [user("Weather?"), assistant("", [paris], "I need\nthe tool."), result("21")], tools, True),
        one(
            "reasoning in tool steps",
            [user("Weather?"), assistant("\n\nLooking.", [paris], "\nOne.\n\n"), result("21"), assistant("More.", [rome]), result("25")],
            tools,
            True,
        ),
        one("reasoning in a trailing assistant", [hello, assistant("Hi", reasoning="\nA greeting: <b>ü</b>\n")], think=True),
        one(
            "reasoning in a trailing tool call",
            [user("Weather?"), assistant("\nLet me see.", [paris, rome], "Hmm.")],
            tools,
            True,
        ),
        one("reasoning in the content", [user("Weather?"), assistant("<think>\nI see.\n</think>\n\nLet me look.", [paris]), result("21")], tools),
        one("reasoning in the content twice", [user("a"), assistant("<think>x<think>\n\ny</think>z</think>\n\n\nw", [paris])], tools),
        one("reasoning never closed", [user("a"), assistant("<think>\nI wonder", [paris]), result("21")], tools),
        one("reasoning in the content of history", [user("a"), assistant("<think>\nx\n</think>\n\nb"), user("c")]),
    ]


def limits():
    """What Ollama's data or its handling of messages cannot carry: (conversation, why)."""
    hello, hi = user("Hello"), assistant("Hi! How can I help?")

    def one(name, why, messages, tools=None):
        return {"name": name, "why": why, "messages": messages, "tools": tools, "think": None, "continues": False}

    def call(arguments):
        return [user("Go"), assistant("", [("go", arguments)])]

    def with_property(schema):
        return [tool("f", "F.", {"x": schema}, ["x"])]

    strict = tool("f", "F.", {"x": {"type": "string"}}, ["x"])
    strict["function"]["strict"] = True
    return [
        one("two user messages in a row", "Ollama joins neighbouring messages of one role with an empty line between them", [hello, user("Anyone?")]),
        one("two system messages in a row", "Ollama joins neighbouring messages of one role with an empty line between them", [system("A"), system("B"), hello]),
        one("argument order", "Ollama hands a call's arguments to the template as a map, which Go walks in the order of the keys' bytes", call({"b": 1, "a": 2})),
        one("float arguments without a fraction", "Ollama reads every number as a 64-bit float and 1.0 becomes 1", call({"x": 1.0})),
        one("integer arguments beyond 2^53", "Ollama reads every number as a 64-bit float, which has 53 bits of precision", call({"x": 12345678901234567})),
        one("parameter order", "Ollama hands a tool's properties to the template as a map, which Go walks in the order of the keys' bytes", [hello], [tool("f", "F.", {"b": {"type": "string"}, "a": {"type": "string"}}, ["a"])]),
        one("keywords of a parameter", "Ollama keeps type, anyOf, enum, items, properties, required and description of a parameter and drops other keywords", [hello], with_property({"type": "integer", "minimum": 1, "default": 3, "description": "X"})),
        one("order of a parameter's keywords", "Ollama does not keep the order of keywords; the template writes type, enum, items, properties, required, description", [hello], with_property({"type": "string", "description": "X", "enum": ["a"]})),
        one("other keywords of a function", "Ollama keeps name, description and parameters of a function and drops other keywords", [hello], [strict]),
        one("empty description", "Ollama does not tell an empty description from none; the template writes none", [hello], [tool("f", "", {"x": {"type": "string"}}, ["x"])]),
        one("closing tag without an opening one", "a Go template cannot search a text cheaply; reasoning inside the content is recognised where the content begins with <think>", [user("a"), assistant("x</think>y", [("go", {"a": 1})])]),
    ]
