package sql

import "strings"

// FormatStatement is a statement as canonical SQL on one line, without a semicolon.
func FormatStatement(s Statement) string {
	var f printer
	switch s := s.(type) {
	case *Query:
		f.query(s)
	case *CreateView:
		f.createView(s)
	case *CreateTable:
		f.createTable(s)
	case *Insert:
		f.insert(s)
	case *Drop:
		f.keyword(s.Kind != "variable", "DROP "+strings.ToUpper(s.Kind)+" ")
		f.keyword(s.Kind == "variable", "DROP TEMPORARY VARIABLE ")
		f.keyword(s.IfExists, "IF EXISTS ")
		f.words(formatIdents(s.Name, "."))
	case *Command:
		f.command(s)
	case *Set:
		f.set(s)
	case *Declare:
		f.declare(s)
	case *SetVariable:
		f.setVariable(s)
	case *ExecuteImmediate:
		f.executeImmediate(s)
	case *CreateFunction:
		f.createFunction(s)
	case *Explain:
		f.words("EXPLAIN ")
		f.keyword(s.Mode != "", strings.ToUpper(s.Mode)+" ")
		f.query(s.Query)
	}
	return f.String()
}

// keyword writes a keyword that may be there or not.
func (f *printer) keyword(written bool, text string) {
	if written {
		f.words(text)
	}
}

// command writes statements about schemas, tables and views by the words that their kinds are made of.
func (f *printer) command(s *Command) {
	switch s.Kind {
	case CommandRenameTable, CommandRenameView:
		f.words("ALTER ", strings.ToUpper(strings.TrimPrefix(s.Kind, "rename ")), " ", formatIdents(s.Name, "."), " RENAME TO ", formatIdents(s.To, "."))
		return
	case CommandNothing:
		f.words("CLEAR CACHE")
		return
	case CommandTruncate:
		f.words("TRUNCATE TABLE ")
	case CommandDescribeFunc:
		f.words("DESCRIBE FUNCTION ")
		f.keyword(s.Extended, "EXTENDED ")
		f.words(formatIdents(s.Name, "."))
		return
	case CommandShowFunctions:
		f.words("SHOW ")
		f.keyword(s.Scope != "", s.Scope+" ")
		f.words("FUNCTIONS")
	case CommandShowTables, CommandShowViews, CommandShowColumns:
		f.words(strings.ToUpper(s.Kind))
		f.keyword(s.Name != nil, " IN ")
	default:
		f.words(strings.ToUpper(s.Kind))
		f.keyword(s.Name != nil || s.Query != nil, " ")
	}
	if s.Conditional {
		f.keyword(s.Kind == CommandCreateSchema, "IF NOT EXISTS ")
		f.keyword(s.Kind == CommandDropSchema, "IF EXISTS ")
	}
	f.words(formatIdents(s.Name, "."))
	f.keyword(s.Cascade, " CASCADE")
	if s.HasPattern {
		f.words(" LIKE ", quote(s.Pattern))
	}
	if s.Query != nil {
		f.query(s.Query)
	}
}

func (f *printer) createView(s *CreateView) {
	if s.Alter {
		f.words("ALTER VIEW ", formatIdents(s.Name, "."), " AS ")
		f.query(s.Query)
		return
	}
	f.words("CREATE ")
	f.keyword(s.Replace, "OR REPLACE ")
	if s.Temporary && len(s.Name) > 1 {
		f.words("GLOBAL ")
		s = &CreateView{Name: s.Name[1:], Columns: s.Columns, Temporary: true, IfNotExists: s.IfNotExists, Query: s.Query, Files: s.Files}
	}
	f.keyword(s.Temporary, "TEMPORARY ")
	f.words("VIEW ")
	f.keyword(s.IfNotExists, "IF NOT EXISTS ")
	f.words(formatIdents(s.Name, "."))
	if s.Files != nil {
		f.columnList(s.Files.Columns)
		f.words(" USING ", formatIdent(s.Files.Format))
		f.options(s.Files.Options)
		return
	}
	f.columns(s.Columns)
	f.words(" AS ")
	f.query(s.Query)
}

func (f *printer) createTable(s *CreateTable) {
	f.words("CREATE ")
	f.keyword(s.Replace, "OR REPLACE ")
	f.words("TABLE ")
	f.keyword(s.IfNotExists, "IF NOT EXISTS ")
	f.words(formatIdents(s.Name, "."))
	if s.Like != nil {
		f.words(" LIKE ", formatIdents(s.Like, "."))
	}
	f.columnList(s.Columns)
	if s.Format != "" {
		f.words(" USING ", formatIdent(Ident{Name: s.Format}))
	}
	f.options(s.Options)
	if s.Location != nil {
		f.words(" LOCATION ", quote(s.Location.Value))
	}
	if s.Query != nil {
		f.words(" AS ")
		f.query(s.Query)
	}
}

// columnList is columns in parentheses, nothing if there are none.
func (f *printer) columnList(columns []ColumnDef) {
	if columns != nil {
		f.words(" (")
		f.columnDefs(columns)
		f.words(")")
	}
}

func (f *printer) options(options []Property) {
	for i, o := range options {
		f.words(separator(i, " OPTIONS ("), quote(o.Key), " ", quote(o.Value))
	}
	f.keyword(options != nil, ")")
}

func (f *printer) insert(s *Insert) {
	f.words("INSERT ")
	if s.Overwrite {
		f.words("OVERWRITE ")
	} else {
		f.words("INTO ")
	}
	f.words("TABLE ", formatIdents(s.Table, "."), " ")
	f.keyword(s.ByName, "BY NAME ")
	if s.Columns != nil {
		f.columns(s.Columns)
		f.words(" ")
	}
	f.query(s.Query)
}

func (f *printer) set(s *Set) {
	if s.Reset {
		f.words("RESET")
	} else {
		f.words("SET")
	}
	if s.Key != "" {
		f.words(" `", s.Key, "`")
	}
	switch plain := strings.IndexFunc(s.Value, func(r rune) bool { return wordLength(string(r)) == 0 && !strings.ContainsRune("./:+,", r) }) < 0; {
	case !s.HasValue:
	case plain || strings.Contains(s.Value, "`"):
		f.words(" = ", s.Value)
	default:
		f.words(" = `", s.Value, "`")
	}
}
