package compute

import "github.com/quern-engine/quern/plan"

func operatorFunctions() []Function {
	return append(comparisonFunctions(), arithmeticFunctions()...)
}

func comparisonFunctions() []Function {
	return []Function{
		comparison("=", []string{"=="}, "Whether two values are equal; NaN equals NaN.", "1 = 1", "true"),
		comparison("<>", []string{"!="}, "Whether two values differ.", "1 <> 2", "true"),
		comparison("<", nil, "Whether the first value is less.", "'a' < 'b'", "true"),
		comparison("<=", nil, "Whether the first value is less or equal.", "2 <= 2.0", "true"),
		comparison(">", nil, "Whether the first value is greater.", "DATE '2020-01-02' > '2020-01-01'", "true"),
		comparison(">=", nil, "Whether the first value is greater or equal.", "1 >= 2", "false"),
		{
			Name: "<=>", Usage: "a <=> b", Summary: "Whether two values are equal, with NULL equal to NULL.",
			Example: "NULL <=> NULL", ExampleResult: "true", narrow: narrowLiterals,
			resolve: neverNull(comparable2), build: buildNullSafeEqual,
		},
	}
}

func comparison(name string, aliases []string, summary, example, res string) Function {
	return Function{
		Name: name, Aliases: aliases, Usage: "a " + name + " b", Summary: summary, Example: example, ExampleResult: res,
		narrow: narrowLiterals, resolve: comparable2, build: buildComparison,
	}
}

// comparable2 casts two operands to their common type; two bare NULLs compare as booleans.
func comparable2(args []plan.Type) (Signature, error) {
	if len(args) != 2 {
		return Signature{}, arityError{"2", len(args)}
	}
	t, ok := CommonType(args[0], args[1])
	if args[0].IsNested() && args[1].IsNested() {
		t, ok = commonInside(args[0], args[1])
	}
	switch {
	case !ok && sameShape(args[0], args[1]): // structs whose fields have other names
		t = args[0]
	case !ok:
		return Signature{}, mismatchError{args[0], args[1]}
	case t.Kind == plan.KindNull:
		t = plan.Boolean
	}
	if !hasOrder(t) {
		return Signature{}, orderError{t}
	}
	return Signature{Args: alike(t, 2), Returns: plan.Boolean}, nil
}

func arithmeticFunctions() []Function {
	op := func(name, summary, example, res string) Function {
		return Function{
			Name: name, Usage: "a " + name + " b", Summary: summary, Example: example, ExampleResult: res,
			narrow: narrowLiterals, resolve: arithmetic(name), build: buildArithmetic(name, false),
		}
	}
	try := func(name, op, summary, example, res string) Function {
		return Function{
			Name: name, Usage: name + "(a, b)", Summary: summary, Example: example, ExampleResult: res,
			narrow: narrowLiterals, resolve: nullable(arithmetic(op)), build: buildArithmetic(op, true),
		}
	}
	mod := op("%", "The remainder, with the sign of the dividend.", "-7 % 3", "-1")
	mod.Aliases = []string{"mod"}
	pmod := op("pmod", "The remainder, positive for a positive divisor.", "pmod(-7, 3)", "2")
	pmod.Usage = "pmod(a, b)"
	return []Function{
		op("+", "The sum; a date plus a number of days is a date.", "1 + 2", "3"),
		op("-", "The difference; a date minus a number of days is a date.", "DATE '2001-10-01' - 7", "2001-09-24"),
		op("*", "The product.", "1.5 * 2", "3.0"),
		op("/", "The quotient: double for integers, decimal for decimals.", "7 / 2", "3.5"),
		op("div", "The whole part of the quotient.", "7 div 2", "3"),
		mod, pmod,
		{
			Name: "negative", Usage: "-a", Summary: "The number with its sign turned.", Example: "negative(1)", ExampleResult: "-1",
			resolve: takes(sameAs(0), signed()), build: buildNegative,
		},
		{
			Name: "positive", Usage: "+a", Summary: "The number itself.", Example: "positive(1)", ExampleResult: "1",
			resolve: takes(sameAs(0), signed()), build: func(b *binding) (node, error) { return b.args[0], nil },
		},
		try("try_add", "+", "The sum, or NULL on overflow.", "try_add(2147483647, 1)", "NULL"),
		try("try_subtract", "-", "The difference, or NULL on overflow.", "try_subtract(3, 1)", "2"),
		try("try_multiply", "*", "The product, or NULL on overflow.", "try_multiply(2, 3)", "6"),
		try("try_divide", "/", "The quotient, or NULL when dividing by zero.", "try_divide(3, 0)", "NULL"),
		try("try_mod", "%", "The remainder, or NULL when dividing by zero.", "try_mod(3, 0)", "NULL"),
	}
}

// arithmeticLabel is what Spark calls the operands of arithmetic.
const arithmeticLabel = `("NUMERIC" or "INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH" or "INTERVAL")`

// isOperand reports what arithmetic takes beside dates and intervals.
func isOperand(t plan.Type) bool {
	return t.IsNumeric() || t.Kind == plan.KindNull || t.Kind == plan.KindString
}

// signed takes numbers and intervals.
func signed() param {
	n := number()
	return param{arithmeticLabel, func(t plan.Type) (plan.Type, bool) {
		if t.IsInterval() {
			return t, true
		}
		return n.accept(t)
	}}
}

// arithmetic types an arithmetic operator.
func arithmetic(op string) resolver {
	return func(args []plan.Type) (Signature, error) {
		if len(args) != 2 {
			return Signature{}, arityError{"2", len(args)}
		}
		a, b := args[0], args[1]
		if sig, ok, err := temporalArithmetic(op, a, b); ok {
			return sig, err
		}
		switch {
		case op == "div" && (a.IsFloat() || b.IsFloat() || isText(a) && b.Kind == plan.KindDecimal || isText(b) && a.Kind == plan.KindDecimal):
			return Signature{}, wrongOperands(`("DECIMAL" or "BIGINT")`, a, b)
		case isText(a) && (isText(b) || b.Kind == plan.KindNull || b.Kind == plan.KindBoolean || b.Kind == plan.KindBinary),
			isText(b) && (a.Kind == plan.KindNull || a.Kind == plan.KindBoolean || a.Kind == plan.KindBinary):
			return Signature{}, wrongTypeError{arithmeticLabel, a}
		case !isOperand(a) || !isOperand(b):
			if sameShape(a, b) {
				return Signature{}, wrongTypeError{arithmeticLabel, a}
			}
			return Signature{}, mismatchError{a, b}
		case a.Kind == plan.KindString:
			a = numberBeside(b)
		case b.Kind == plan.KindString:
			b = numberBeside(a)
		}
		if a.Kind == plan.KindNull {
			switch a = numberOr(b); {
			case op == "/":
				a = plan.Float64
			case op == "div" && b.Kind == plan.KindNull:
				a = plan.Int64
			}
		}
		if b.Kind == plan.KindNull {
			b = a
		}
		return arithmeticSignature(op, a, b)
	}
}

func isText(t plan.Type) bool { return t.Kind == plan.KindString }

func numberBeside(t plan.Type) plan.Type {
	if t.Kind == plan.KindNull {
		return plan.Float64
	}
	out, _ := besideString(t)
	return out
}

func numberOr(t plan.Type) plan.Type {
	if t.Kind == plan.KindNull {
		return plan.Float64
	}
	return t
}

// arithmeticSignature types an operator over two numbers.
func arithmeticSignature(op string, a, b plan.Type) (Signature, error) {
	if a.Kind == plan.KindDecimal || b.Kind == plan.KindDecimal {
		da, okA := decimalOf(a)
		db, okB := decimalOf(b)
		if okA && okB {
			return Signature{Args: []plan.Type{da, db}, Returns: decimalResult(op, da, db)}, nil
		}
	}
	t := commonNumber(a, b)
	switch op {
	case "/":
		return Signature{Args: alike(plan.Float64, 2), Returns: plan.Float64}, nil
	case "div":
		return Signature{Args: alike(plan.Int64, 2), Returns: plan.Int64}, nil
	}
	return Signature{Args: alike(t, 2), Returns: t}, nil
}

// WithoutPrecisionLoss gives arithmetic of decimals the type that it has where spark.sql.decimalOperations.allowPrecisionLoss is
// off: no digit behind the point is given up for those before it, unless 38 are not enough.
func WithoutPrecisionLoss(e *plan.Expr) *plan.Expr {
	if e.Op != plan.OpCall || len(e.Args) != 2 || e.Type.Kind != plan.KindDecimal ||
		e.Args[0].Type.Kind != plan.KindDecimal || e.Args[1].Type.Kind != plan.KindDecimal {
		return e
	}
	a, b := e.Args[0].Type, e.Args[1].Type
	scale := max(a.Scale, b.Scale)
	bounded := func(precision, scale int32) plan.Type {
		return plan.Decimal(min(precision, plan.MaxPrecision), min(scale, plan.MaxPrecision))
	}
	switch e.Name {
	case "+", "-", "try_add", "try_subtract":
		e.Type = bounded(max(a.Precision-a.Scale, b.Precision-b.Scale)+scale+1, scale)
	case "*", "try_multiply":
		e.Type = bounded(a.Precision+b.Precision+1, a.Scale+b.Scale)
	case "/", "try_divide":
		whole, digits := min(plan.MaxPrecision, a.Precision-a.Scale+b.Scale), min(plan.MaxPrecision, max(6, a.Scale+b.Precision+1))
		if beyond := whole + digits - plan.MaxPrecision; beyond > 0 {
			digits -= beyond/2 + 1
			whole = plan.MaxPrecision - digits
		}
		e.Type = bounded(whole+digits, digits)
	case "%", "pmod", "try_mod":
		e.Type = bounded(min(a.Precision-a.Scale, b.Precision-b.Scale)+scale, scale)
	}
	return e
}

// decimalResult is Spark's type of an operator over two decimals.
func decimalResult(op string, a, b plan.Type) plan.Type {
	scale := max(a.Scale, b.Scale)
	switch op {
	case "+", "-":
		return adjustedDecimal(max(a.Precision-a.Scale, b.Precision-b.Scale)+scale+1, scale)
	case "*":
		return adjustedDecimal(a.Precision+b.Precision+1, a.Scale+b.Scale)
	case "/":
		scale = max(6, a.Scale+b.Precision+1)
		return adjustedDecimal(a.Precision-a.Scale+b.Scale+scale, scale)
	case "div":
		return plan.Int64
	}
	return adjustedDecimal(min(a.Precision-a.Scale, b.Precision-b.Scale)+scale, scale)
}
