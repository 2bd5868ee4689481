package main

import (
	"fmt"
	"reflect"
	"strings"
	"text/template"
	"text/template/parse"
)

// What Ollama must read off each template: the tag that opens a tool call and the tags around reasoning.
var tags = map[string][3]string{
	"qwen2.5":      {"<tool_call>", "", ""},
	"qwen3":        {"<tool_call>", "<think>", "</think>"},
	"llama3.1":     {"{", "", ""},
	"llama3.2":     {"{", "", ""},
	"chatml-think": {"{", "<think>", "</think>"},
}

// inferred holds a template to what Ollama's two rules find in it. The rules: the tool tag is the first text inside the
// first `if` whose condition names .ToolCalls, up to a brace; the thinking tags are the first and last text of the
// innermost list around .Thinking in a range over .Messages, the last such place counting.
func inferred(family string, t *template.Template, failed *int) {
	open, close := thinkTags(t.Tree.Root)
	if found := [3]string{toolTag(t.Tree.Root), open, close}; found != tags[family] {
		fmt.Printf("FAIL %s: Ollama would infer the tags %q, not %q\n", family, found, tags[family])
		*failed++
	}
}

func toolTag(root parse.Node) string {
	tag := "{"
	found := false
	visit(root, nil, func(n parse.Node, _ []parse.Node) {
		branch, isIf := n.(*parse.IfNode)
		if found || !isIf || !directlyNames(branch.Pipe, "ToolCalls") {
			return
		}
		found = true
		if text, ok := firstText(branch.List); ok {
			text, _, _ = strings.Cut(text, "{")
			if text = strings.TrimSpace(text); text != "" {
				tag = text
			}
		}
	})
	return tag
}

// firstText walks into branches and stops at the first action.
func firstText(list *parse.ListNode) (string, bool) {
	for _, node := range list.Nodes {
		var inner *parse.BranchNode
		switch n := node.(type) {
		case *parse.TextNode:
			if strings.TrimSpace(string(n.Text)) != "" {
				return string(n.Text), true
			}
			continue
		case *parse.IfNode:
			inner = &n.BranchNode
		case *parse.RangeNode:
			inner = &n.BranchNode
		case *parse.WithNode:
			inner = &n.BranchNode
		default:
			return "", false
		}
		if text, ok := firstText(inner.List); ok {
			return text, true
		}
		if inner.ElseList != nil {
			return firstText(inner.ElseList)
		}
		return "", false
	}
	return "", false
}

func thinkTags(root parse.Node) (open, close string) {
	visit(root, nil, func(n parse.Node, above []parse.Node) {
		field, isField := n.(*parse.FieldNode)
		if !isField || field.Ident[0] != "Thinking" {
			return
		}
		inMessages := false
		var list *parse.ListNode
		for _, node := range above {
			switch n := node.(type) {
			case *parse.RangeNode:
				inMessages = directlyNames(n.Pipe, "Messages")
			case *parse.ListNode:
				list = n
			}
		}
		if !inMessages {
			return
		}
		if text, ok := list.Nodes[0].(*parse.TextNode); ok {
			open = strings.TrimSpace(string(text.Text))
		}
		if text, ok := list.Nodes[len(list.Nodes)-1].(*parse.TextNode); ok {
			close = strings.TrimSpace(string(text.Text))
		}
	})
	return open, close
}

func directlyNames(pipe *parse.PipeNode, name string) bool {
	for _, command := range pipe.Cmds {
		for _, argument := range command.Args {
			if field, ok := argument.(*parse.FieldNode); ok && field.Ident[0] == name {
				return true
			}
		}
	}
	return false
}

// visit calls at for every node in the order of the text, with the nodes above it.
func visit(n parse.Node, above []parse.Node, at func(parse.Node, []parse.Node)) {
	if n == nil || reflect.ValueOf(n).IsNil() {
		return
	}
	at(n, above)
	below := append(append([]parse.Node{}, above...), n)
	branch := func(b *parse.BranchNode) {
		visit(b.Pipe, below, at)
		visit(b.List, below, at)
		visit(b.ElseList, below, at)
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, child := range n.Nodes {
			visit(child, below, at)
		}
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.ActionNode:
		visit(n.Pipe, below, at)
	case *parse.TemplateNode:
		visit(n.Pipe, below, at)
	case *parse.PipeNode:
		for _, command := range n.Cmds {
			visit(command, below, at)
		}
	case *parse.CommandNode:
		for _, argument := range n.Args {
			visit(argument, below, at)
		}
	}
}
