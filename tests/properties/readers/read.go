// Reads JSON as Go does. Each line: a body, a tab, and what it means (`other_languages.rs` says how that is written).
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
)

func meaning(value any) string {
	switch value := value.(type) {
	case nil:
		return "n"
	case bool:
		return map[bool]string{true: "t", false: "f"}[value]
	case float64:
		return "d" + strconv.FormatFloat(value, 'f', -1, 64)
	case string:
		return "s" + hex.EncodeToString([]byte(value))
	case []any:
		entries := make([]string, len(value))
		for index, entry := range value {
			entries[index] = meaning(entry)
		}
		return "[" + strings.Join(entries, ",") + "]"
	case map[string]any:
		members := make([]string, 0, len(value))
		for name, member := range value {
			members = append(members, hex.EncodeToString([]byte(name))+":"+meaning(member))
		}
		sort.Strings(members)
		return "{" + strings.Join(members, ",") + "}"
	}
	panic(fmt.Sprintf("%T", value))
}

func main() {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	for _, line := range bytes.Split(input, []byte("\n")) {
		body, meant, found := bytes.Cut(line, []byte("\t"))
		if !found {
			continue
		}
		var value any
		if err := json.Unmarshal(body, &value); err != nil {
			fmt.Fprintf(os.Stderr, "Go does not read %s: %v\n", body, err)
			os.Exit(1)
		}
		if read := meaning(value); read != string(meant) {
			fmt.Fprintf(os.Stderr, "Go reads %s from %s\n", read, body)
			os.Exit(1)
		}
	}
}
