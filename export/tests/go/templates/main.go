// Renders Ollama templates with Go's own text/template and the values and functions that Ollama documents, and
// holds the output to the digests of what the models' Jinja templates render.
//
//	go run ./templates DATA TEMPLATES [CASE...]    compare; a template's file name is its family's
//	go run ./templates -record DATA TEMPLATES      print the digests of what the Go templates render
//	go run ./templates -show FAMILY DATA TEMPLATES CASE
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"
)

// The default system prompts of the Qwen2.5 templates: the model's own, and one that needs every escape.
var defaults = map[string]string{
	"qwen2.5":               "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
	"qwen2.5-other-default": "Größe {{ .System }} \"<b>\" \\ `x` {% if %}\n\tüber 🦀 %s <|im_end|>",
}

// The day on which the digests were recorded.
var today = time.Date(2024, time.July, 6, 13, 5, 9, 0, time.UTC)

type conversation struct {
	Name     string
	Why      string
	Messages []struct {
		Role      string
		Content   string
		Reasoning string     `json:"reasoning_content"`
		ToolCalls []ToolCall `json:"tool_calls"`
	}
	Tools []Tool
	Think *bool
}

type data struct {
	Conversations []conversation
	Limits        []conversation
}

func functions() template.FuncMap {
	return template.FuncMap{
		"json":             compact,
		"currentDate":      func(...string) string { return today.Format("2006-01-02") },
		"yesterdayDate":    func(...string) string { return today.AddDate(0, 0, -1).Format("2006-01-02") },
		"toTypeScriptType": func(any) string { return "any" },
	}
}

func load(path string) *template.Template {
	text, err := os.ReadFile(path)
	check(err)
	parsed, err := template.New("").Option("missingkey=zero").Funcs(functions()).Parse(string(text))
	check(err)
	return parsed
}

func render(t *template.Template, c conversation) (string, error) {
	var messages []Message
	for _, m := range c.Messages {
		messages = append(messages, Message{m.Role, m.Content, m.Reasoning, m.ToolCalls})
	}
	system, joined := collate(messages)
	var out strings.Builder
	err := t.Execute(&out, map[string]any{
		"System":     system,
		"Messages":   joined,
		"Tools":      c.Tools,
		"Response":   "",
		"Think":      c.Think != nil && *c.Think,
		"ThinkLevel": "",
		"IsThinkSet": c.Think != nil,
	})
	return out.String(), err
}

func digest(name string, c conversation, text string) string {
	if own, known := defaults[name]; known && c.Messages[0].Role != "system" {
		text = strings.Replace(text, own, "{default system prompt}", 1)
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func main() {
	record := flag.Bool("record", false, "print digests instead of comparing")
	show := flag.String("show", "", "print what this family's template renders of one conversation")
	flag.Parse()
	folder, templates, only := flag.Arg(0), flag.Arg(1), flag.Args()[2:]
	var all data
	read(filepath.Join(folder, "conversations.json"), &all)
	var jinja map[string]map[string]*string
	read(filepath.Join(folder, "digests.json"), &jinja)
	paths, err := filepath.Glob(filepath.Join(templates, "*.gotmpl"))
	check(err)
	failed, compared, recorded := 0, 0, map[string]map[string]string{}
	differs := map[string]bool{}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".gotmpl")
		family := strings.TrimSuffix(name, "-other-default")
		if *show != "" && *show != name {
			continue
		}
		parsed := load(path)
		recorded[name] = map[string]string{}
		for _, c := range append(slices.Clone(all.Conversations), all.Limits...) {
			if len(only) > 0 && !slices.Contains(only, c.Name) {
				continue
			}
			text, err := render(parsed, c)
			if err != nil {
				fmt.Printf("FAIL %s, %q: %v\n", name, c.Name, err)
				failed++
				continue
			}
			if *show != "" {
				fmt.Println(text)
				continue
			}
			found := digest(name, c, text)
			recorded[name][c.Name] = found
			want, known := jinja[family][c.Name]
			if !known {
				fmt.Printf("FAIL %s, %q: no digest is recorded\n", name, c.Name)
				failed++
				continue
			}
			if want == nil {
				continue // The Jinja refuses it.
			}
			if c.Why != "" {
				differs[c.Name] = differs[c.Name] || *want != found
				continue
			}
			compared++
			if *want != found && !*record {
				fmt.Printf("FAIL %s, %q: the Go template renders other bytes than the Jinja\n", name, c.Name)
				failed++
			}
		}
		inferred(family, parsed, &failed)
	}
	for name, seen := range differs {
		if !seen && len(paths) > 1 {
			fmt.Printf("FAIL %q is no limit: every template renders it as the Jinja does\n", name)
			failed++
		}
	}
	if *record {
		text, err := json.MarshalIndent(recorded, "", " ")
		check(err)
		fmt.Println(string(text))
	} else if *show == "" {
		fmt.Printf("%d renderings of %d templates compared, %d failed\n", compared, len(paths), failed)
	}
	if failed > 0 || compared+len(only) == 0 {
		os.Exit(1)
	}
}

func read(path string, into any) {
	text, err := os.ReadFile(path)
	check(err)
	check(json.Unmarshal(text, into))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
