package sql

func (f *printer) declare(s *Declare) {
	f.words("DECLARE ")
	f.keyword(s.Replace, "OR REPLACE ")
	f.words("VARIABLE")
	for i, n := range s.Names {
		f.words(separator(i, " "), formatIdents(n, "."))
	}
	if s.Type != nil {
		f.words(" ", formatType(*s.Type, true))
	}
	f.clause(" DEFAULT ", s.Default)
}

func (f *printer) setVariable(s *SetVariable) {
	f.words("SET VAR ")
	f.keyword(s.Query != nil, "(")
	for i, a := range s.Assignments {
		f.words(separator(i, ""), formatIdents(a.Name, "."))
		switch {
		case s.Query != nil:
		case a.Value == nil:
			f.words(" = DEFAULT")
		default:
			f.clause(" = ", a.Value)
		}
	}
	if s.Query != nil {
		f.words(") = (")
		f.query(s.Query)
		f.words(")")
	}
}

func (f *printer) executeImmediate(s *ExecuteImmediate) {
	f.clause("EXECUTE IMMEDIATE ", s.Text)
	for i, n := range s.Into {
		f.words(separator(i, " INTO "), formatIdents(n, "."))
	}
	for i, item := range s.Using {
		f.clause(separator(i, " USING "), item.Expr)
		if item.Alias != nil {
			f.words(" AS ", formatIdent(*item.Alias))
		}
	}
}

func (f *printer) createFunction(s *CreateFunction) {
	f.words("CREATE ")
	f.keyword(s.Replace, "OR REPLACE ")
	f.keyword(s.Temporary, "TEMPORARY ")
	f.words("FUNCTION ")
	f.keyword(s.IfNotExists, "IF NOT EXISTS ")
	f.words(formatIdents(s.Name, "."), "(")
	f.columnDefs(s.Params)
	f.words(")")
	switch {
	case s.Returns != nil:
		f.words(" RETURNS ", formatType(*s.Returns, true))
	case s.Columns != nil:
		f.words(" RETURNS TABLE (")
		f.columnDefs(s.Columns)
		f.words(")")
	case s.Table:
		f.words(" RETURNS TABLE")
	}
	f.words(" RETURN ")
	if s.Query != nil {
		f.query(s.Query)
		return
	}
	f.clause("", s.Body)
}

func (f *printer) columnDefs(list []ColumnDef) {
	for i, c := range list {
		f.words(separator(i, ""), formatIdent(c.Name), " ", formatType(c.Type, true))
		f.keyword(c.NotNull, " NOT NULL")
		f.clause(" DEFAULT ", c.Default)
	}
}
