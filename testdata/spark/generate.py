#!/usr/bin/env python3
"""Writes random_*.sql: statements drawn at random from a typed grammar, over tables with NULLs, NaN and extreme values.

The same seed gives the same statements. record.py then asks Spark for the answers.

    python3 generate.py
"""
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))

TABLES = """CREATE TEMPORARY VIEW t AS SELECT * FROM VALUES
  (1, 1Y, 10S, 100L, 1.5f, 1.5D, 1.25BD, 'apple', true, DATE '2001-01-01', TIMESTAMP '2001-01-01 00:00:00', 1),
  (2, -128Y, -32768S, -9223372036854775808L, -0.0f, -0.0D, -99999999.99BD, '', false, DATE '1969-12-31', TIMESTAMP '1969-12-31 23:59:59.999999', 1),
  (3, 127Y, 32767S, 9223372036854775807L, float('NaN'), double('NaN'), 99999999.99BD, 'Banana', true, DATE '2000-02-29', TIMESTAMP '2000-02-29 12:34:56.789', 2),
  (4, 0Y, 0S, 0L, float('Infinity'), double('-Infinity'), 0.00BD, 'apple pie', NULL, DATE '9999-12-31', TIMESTAMP '2024-11-03 01:30:00', 2),
  (5, NULL, 7S, 42L, 0.25f, 1024.0D, 3.14BD, NULL, false, NULL, NULL, 2),
  (6, 5Y, NULL, NULL, NULL, NULL, NULL, '  pad ', true, DATE '2001-03-31', TIMESTAMP '2001-04-01 02:30:00', 3),
  (NULL, 1Y, 10S, 42L, 2.0f, 3.0D, 2.50BD, 'éclair', NULL, DATE '2001-01-01', TIMESTAMP '2001-01-01 08:15:30.5', 3),
  (8, 3Y, -1S, 3L, -2.5f, -2.5D, -0.01BD, 'x,y;z', false, DATE '1900-01-01', TIMESTAMP '1900-01-01 00:00:00', NULL)
  AS t(i, b, s, l, f, d, n, str, bool, dt, ts, g);

CREATE TEMPORARY VIEW u AS SELECT * FROM VALUES
  (1, 'apple', 1.5D, DATE '2001-01-01', 10), (1, 'pear', NULL, DATE '2001-01-02', 20), (2, NULL, -0.0D, NULL, 30),
  (3, 'Banana', double('NaN'), DATE '2000-02-29', 40), (7, 'fig', 7.0D, DATE '2010-10-10', 50), (NULL, 'apple', 3.0D, DATE '2001-01-01', NULL)
  AS u(k, name, v, day, w);

CREATE TEMPORARY VIEW e AS SELECT * FROM u WHERE false;
"""

COLUMNS = {
    "int": ["i", "b", "s", "g"], "long": ["l"], "double": ["d", "f"], "decimal": ["n"], "string": ["str"],
    "bool": ["bool"], "date": ["dt"], "timestamp": ["ts"],
}
LITERALS = {
    "int": ["0", "1", "-1", "3", "7", "NULL"], "long": ["0L", "5L", "-3L"], "double": ["0.5D", "2D", "-1.5D", "double('NaN')"],
    "decimal": ["1.50", "0.001", "-12.3", "100"], "string": ["'a'", "'apple'", "''", "'Ban%'", "' x '", "NULL"],
    "bool": ["true", "false", "NULL"], "date": ["DATE '2001-01-31'", "DATE '1999-12-31'"],
    "timestamp": ["TIMESTAMP '2001-01-01 10:00:00'", "TIMESTAMP '2010-07-04 23:59:59.5'"],
    "array": ["array(1, 2, NULL, 3)", "array()", "array(3, 1, 2, 1)"], "sarray": ["array('b', 'a', NULL)", "split('a,b,c', ',')"],
    "map": ["map('a', 1, 'b', NULL)", "map('apple', 5)"],
}
# Result type → forms with the types of their holes.
FORMS = {
    "int": ["%int + %int", "%int - %int", "%int * %int", "%int % 7", "%int div 3", "-%int", "abs(%int)", "length(%string)", "coalesce(%int, %int)",
            "nullif(%int, %int)", "if(%bool, %int, %int)", "CASE WHEN %bool THEN %int ELSE %int END", "year(%date)", "month(%date)", "day(%date)",
            "dayofweek(%date)", "dayofyear(%date)", "weekofyear(%date)", "quarter(%date)", "hour(%timestamp)", "minute(%timestamp)", "second(%timestamp)",
            "datediff(%date, %date)", "instr(%string, 'a')", "locate('p', %string)", "ascii(%string)", "size(%array)", "cast(%bool AS int)",
            "greatest(%int, %int)", "least(%int, %int, 2)", "array_position(%array, 1)", "element_at(%array, 1)", "try_element_at(%array, 9)",
            "array_max(%array)", "array_min(%array)", "aggregate(%array, 0, (a, x) -> a + coalesce(x, 0))", "levenshtein(%string, %string)",
            "try_add(%int, %int)", "try_divide(%int, 2)", "pmod(%int, 5)", "%int & 6", "%int | 1", "%int ^ 3", "~%int", "shiftleft(%int, 2)", "bit_count(%int)",
            "sign(%int)", "map_size(%map)", "cast(%string AS int)", "try_cast(%string AS int)", "crc32(%string)", "hash(%int, %string)", "find_in_set('b', 'a,b,c')"],
    "long": ["%long + %int", "%long - 1", "cast(%double AS bigint)", "try_cast(%double AS bigint)", "%long % 10", "unix_timestamp(%timestamp)", "count_placeholder",
             "xxhash64(%int, %string)", "cast(%int AS bigint) * 1000", "try_multiply(%long, %int)", "factorial(5)", "unix_micros(%timestamp)", "coalesce(%long, 0L)"],
    "double": ["%double + 1", "%double * %double", "%double / 2", "%int / 4", "sqrt(abs(%double))", "floor(%double)", "ceil(%double)", "round(%double, 1)", "cast(%int AS double)",
               "coalesce(%double, 0D)", "nanvl(%double, 0D)", "exp(%int % 5)", "ln(abs(%int) + 1)", "power(2, %int % 5)", "cast(%decimal AS double)", "atan2(%int % 3, 2)", "cbrt(8D)",
               "greatest(%double, 1D)", "try_cast(%string AS double)", "degrees(1D)", "rint(%double)", "signum(%double)", "months_between(%date, %date)"],
    "decimal": ["%decimal + %decimal", "%decimal - 1", "%decimal * 2.5", "%decimal / 3", "round(%decimal, 1)", "cast(%int AS decimal(12, 2))", "abs(%decimal)", "-%decimal",
                "%decimal % 3", "bround(%decimal, 1)", "floor(%decimal)", "try_cast(%string AS decimal(10, 3))", "coalesce(%decimal, 0.5)", "cast(%decimal AS decimal(20, 4))"],
    "string": ["upper(%string)", "lower(%string)", "trim(%string)", "concat(%string, '-', %string)", "%string || 'z'", "substring(%string, 2, 3)", "reverse(%string)", "repeat(%string, 2)",
               "lpad(%string, 7, '*')", "rpad(%string, 4, 'ab')", "replace(%string, 'a', 'AA')", "coalesce(%string, 'none')", "cast(%int AS string)", "cast(%double AS string)", "cast(%decimal AS string)",
               "cast(%date AS string)", "cast(%timestamp AS string)", "cast(%bool AS string)", "initcap(%string)", "translate(%string, 'ap', 'xy')", "split_part('a-b-c', '-', 2)", "substring_index(%string, 'a', 1)",
               "regexp_replace(%string, '[aeiou]', '_')", "regexp_extract(%string, '([a-z]+)', 1)", "date_format(%date, 'yyyy/MM/dd')", "date_format(%timestamp, 'HH:mm:ss')", "md5(%string)", "sha2(%string, 256)", "hex(%int)",
               "array_join(%sarray, '|')", "concat_ws(',', %string, 'q')", "left(%string, 2)", "right(%string, 2)", "elt(2, 'a', %string)", "CASE %int WHEN 1 THEN 'one' WHEN 3 THEN %string END", "soundex(%string)",
               "format_string('%%d:%%s', %int, %string)", "to_json(named_struct('a', %int, 'b', %string))", "get_json_object('{\"a\":{\"b\":7}}', '$.a.b')", "base64(cast(%string AS binary))", "bin(%int)", "overlay(%string, 'XX', 2)",
               "ltrim(%string)", "rtrim(%string)", "chr(65)", "space(2)", "dayname(%date)", "conv('ff', 16, 10)", "url_encode(%string)", "mask(%string)", "quote_placeholder"],
    "bool": ["%int = %int", "%int < %int", "%double >= %double", "%string = %string", "%string < 'b'", "%date > %date", "%timestamp <= %timestamp", "%decimal <> %decimal", "%int IS NULL", "%string IS NOT NULL", "NOT %bool",
             "%bool AND %bool", "%bool OR %bool", "%int IN (1, 3, NULL)", "%string IN ('apple', 'fig')", "%string LIKE '%%a%%'", "%string NOT LIKE 'a_p%%'", "%string RLIKE '^[a-z]+$'", "%int BETWEEN 0 AND 5", "%int <=> %int", "%double <=> %double",
             "startswith(%string, 'a')", "contains(%string, 'an')", "isnan(%double)", "array_contains(%array, 2)", "exists(%array, x -> x > 2)", "forall(%array, x -> x > 0)", "%bool IS TRUE", "%bool IS NOT UNKNOWN", "%double = %int", "%long > %double",
             "%decimal > %int", "map_contains_key(%map, 'a')", "arrays_overlap(%array, %array)", "%string ILIKE 'A%%'", "%int IS DISTINCT FROM %int", "endswith(%string, 'e')", "equal_null(%int, %int)", "ifnull(%bool, false)"],
    "date": ["date_add(%date, 3)", "date_sub(%date, 1)", "last_day(%date)", "add_months(%date, 1)", "trunc(%date, 'MM')", "cast(%timestamp AS date)", "next_day(%date, 'MON')", "to_date('2001-02-03')", "coalesce(%date, DATE '2000-01-01')",
             "%date + INTERVAL '1' MONTH", "%date - INTERVAL '3' DAY", "make_date(2001, 2, 3)", "greatest(%date, DATE '2000-06-01')", "try_cast(%string AS date)"],
    "timestamp": ["%timestamp + INTERVAL '1' HOUR", "%timestamp - INTERVAL '1 02:03:04' DAY TO SECOND", "date_trunc('HOUR', %timestamp)", "date_trunc('MONTH', %timestamp)", "cast(%date AS timestamp)", "to_timestamp('2001-02-03 04:05:06')",
                  "timestamp_seconds(%int)", "from_utc_timestamp(%timestamp, 'Asia/Tokyo')", "coalesce(%timestamp, TIMESTAMP '2000-01-01 00:00:00')", "timestampadd(DAY, 1, %timestamp)", "make_timestamp(2001, 2, 3, 4, 5, 6.5)"],
    "array": ["array(%int, %int)", "transform(%array, x -> x + 1)", "filter(%array, x -> x IS NOT NULL)", "array_sort(%array)", "array_distinct(%array)", "sort_array(%array, false)", "slice(%array, 1, 2)", "concat(%array, %array)", "array_union(%array, array(9))",
              "array_except(%array, array(1))", "array_intersect(%array, array(1, 2))", "sequence(1, 4)", "array_repeat(%int, 2)", "array_remove(%array, 1)", "reverse(%array)", "flatten(array(%array, %array))", "zip_with(%array, %array, (x, y) -> x + y)",
              "array_append(%array, %int)", "array_compact(%array)", "map_values(%map)"],
    "sarray": ["split(%string, 'a')", "array(%string, %string)", "array_sort(%sarray)", "transform(%sarray, x -> upper(x))", "map_keys(%map)", "array_distinct(%sarray)", "sentences_placeholder"],
    "map": ["map(coalesce(%string, 'k'), %int)", "map_from_arrays(array('a', 'b'), array(1, 2))", "map_filter(%map, (k, v) -> v IS NOT NULL)", "transform_values(%map, (k, v) -> v + 1)", "map_concat(map('z', 0), map('y', %int))", "str_to_map_placeholder"],
}
FORMS = {t: [f for f in forms if "placeholder" not in f and "map_size" not in f] for t, forms in FORMS.items()}
SCALARS = ["int", "long", "double", "decimal", "string", "bool", "date", "timestamp"]
AGGREGATES = ["count(*)", "count(%int)", "count(DISTINCT %string)", "sum(%int)", "sum(%decimal)", "avg(%int)", "avg(%decimal)", "min(%string)", "max(%date)", "min(%double)", "max(%double)", "max(%timestamp)", "bool_and(%bool)", "bool_or(%bool)",
              "count_if(%bool)", "max_by(%string, %int)", "min_by(%int, %string)", "array_sort(collect_list(%int))", "array_sort(collect_set(%int))", "stddev(%int)", "var_pop(%int)", "percentile(%int, 0.5)", "median(%int)", "approx_count_distinct(%int)",
              "bit_and(%int)", "bit_xor(%int)", "sum(DISTINCT %int)", "count(*) FILTER (WHERE %bool)", "sum(%int) FILTER (WHERE %bool)", "any_value(g)", "corr(%int, %int)", "skewness(%int)", "kurtosis(%int)", "covar_samp(%int, %int)", "try_sum(%long)",
              "mode(g)", "regr_slope(%int, g)", "percentile_approx(%int, 0.5)", "max(struct(%int, %string))"]
WINDOWS = ["row_number() OVER (%w)", "rank() OVER (%w)", "dense_rank() OVER (%w)", "lag(%int) OVER (%w)", "lead(%string, 2, 'none') OVER (%w)", "sum(%int) OVER (%w)", "count(*) OVER (PARTITION BY g)", "avg(%int) OVER (%w ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)",
           "first_value(%string) OVER (%w)", "last_value(%int) OVER (%w ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)", "ntile(3) OVER (%w)", "percent_rank() OVER (%w)", "cume_dist() OVER (%w)", "max(%decimal) OVER (%w ROWS 2 PRECEDING)", "min(%date) OVER (%w)",
           "sum(%int) OVER (PARTITION BY g ORDER BY i RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING)", "nth_value(%int, 2) OVER (%w)", "first_value(%int) IGNORE NULLS OVER (%w)", "collect_list(i) OVER (%w)"]
SPECS = ["ORDER BY i", "PARTITION BY g ORDER BY i", "PARTITION BY bool ORDER BY i DESC", "ORDER BY i NULLS LAST", "PARTITION BY g, bool ORDER BY i, s"]


class Grammar:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def fill(self, form, depth):
        out, i = "", 0
        while i < len(form):
            if form.startswith("%%", i):
                out, i = out + "%", i + 2
                continue
            if form[i] == "%":
                kind = next((k for k in sorted(FORMS, key=len, reverse=True) if form.startswith(k, i + 1)), None)
                if kind:
                    out, i = out + self.expr(kind, depth), i + 1 + len(kind)
                    continue
                if form.startswith("%w", i):
                    out, i = out + self.random.choice(SPECS), i + 2
                    continue
            out, i = out + form[i], i + 1
        return out

    def expr(self, kind, depth):
        if depth <= 0 or self.random.random() < 0.3:
            leaves = COLUMNS.get(kind, []) * 3 + LITERALS.get(kind, [])
            return self.random.choice(leaves)
        form = self.fill(self.random.choice(FORMS[kind]), depth - 1)
        return "(" + form + ")" if " " in form and not form.startswith("CASE") else form

    def scalar(self, depth=2):
        return self.expr(self.random.choice(SCALARS + ["array", "sarray", "map"]), depth)

    def expressions(self):
        return "SELECT i, " + ", ".join(self.scalar() + f" AS c{n}" for n in range(2)) + " FROM t"

    def filter(self):
        return f"SELECT i, str FROM t WHERE {self.expr('bool', 3)}"

    def aggregate(self):
        aggs = ", ".join(self.fill(self.random.choice(AGGREGATES), 1) + f" AS a{n}" for n in range(2))
        where = f" WHERE {self.expr('bool', 2)}" if self.random.random() < 0.3 else ""
        style = self.random.randrange(5)
        if style == 0:
            return f"SELECT {aggs} FROM t{where}"
        if style == 1:
            return f"SELECT g, bool, {aggs} FROM t{where} GROUP BY {self.random.choice(['ROLLUP(g, bool)', 'CUBE(g, bool)', 'GROUPING SETS((g), (bool), ())'])}"
        key = self.random.choice(["g", "bool", self.expr("int", 1) + " % 3", self.expr("string", 1)])
        having = f" HAVING count(*) > {self.random.randrange(3)}" if self.random.random() < 0.3 else ""
        return f"SELECT {key} AS k, {aggs} FROM t{where} GROUP BY 1{having}"

    def window(self):
        calls = ", ".join(self.fill(self.random.choice(WINDOWS), 1) + f" AS w{n}" for n in range(2))
        return f"SELECT i, g, {calls} FROM t"

    def join(self):
        kind = self.random.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"])
        on = self.random.choice(["t.i = u.k", "t.g = u.k", "t.str = u.name", "t.i <=> u.k", "t.i = u.k AND t.d < u.v", "t.i < u.k", "t.dt = u.day", "t.d = u.v", "t.i = u.k OR t.str = u.name", "t.g = u.k AND t.i > 2"])
        right = "" if "SEMI" in kind or "ANTI" in kind else ", u.k, u.name, u.w"
        where = f" WHERE {self.expr('bool', 1)}" if self.random.random() < 0.3 else ""
        return f"SELECT t.i, t.str, t.g{right} FROM t {kind} u ON {on}{where}"

    def subquery(self):
        pick = self.random.choice
        forms = [
            lambda: f"SELECT i FROM t WHERE i {pick(['IN', 'NOT IN'])} (SELECT k FROM u{pick(['', ' WHERE k IS NOT NULL', ' WHERE u.w > t.g * 10', ' WHERE false'])})",
            lambda: f"SELECT i, g FROM t WHERE {pick(['EXISTS', 'NOT EXISTS'])} (SELECT 1 FROM u WHERE u.k {pick(['=', '<', '<=>'])} t.{pick(['i', 'g'])}{pick(['', ' AND u.w > 10', ' AND u.name = t.str'])})",
            lambda: f"SELECT i, (SELECT {pick(['max(w)', 'count(*)', 'sum(w) + 1', 'min(name)', 'count(name)'])} FROM u WHERE u.k = t.{pick(['i', 'g'])}) AS x FROM t",
            lambda: f"SELECT i FROM t WHERE l > (SELECT {pick(['avg(w)', 'min(k)', 'max(w)'])} FROM u{pick(['', ' WHERE u.k = t.g', ' WHERE u.name <> t.str'])})",
            lambda: f"SELECT g, count(*) FROM t GROUP BY g HAVING count(*) {pick(['>', '<='])} (SELECT {pick(['min(k)', 'count(*) - 4'])} FROM u{pick(['', ' WHERE u.k = t.g'])})",
            lambda: f"SELECT i, CASE WHEN i IN (SELECT k FROM u) THEN 'in' WHEN EXISTS (SELECT 1 FROM u WHERE u.k = t.g) THEN 'group' ELSE 'no' END AS x FROM t",
            lambda: f"SELECT t.i, x.* FROM t{pick([',', ' CROSS JOIN', ' LEFT JOIN', ' JOIN'])} LATERAL (SELECT {pick(['max(w) AS m', 'count(*) AS m', 'name AS m', 'w + t.g AS m'])} FROM u WHERE u.k = t.g) AS x",
            lambda: f"SELECT i FROM t WHERE i {pick(['=', '>=', '<'])} {pick(['ANY', 'ALL'])} (SELECT k FROM u WHERE k IS NOT NULL)",
            lambda: f"SELECT i FROM t WHERE (i, str) {pick(['IN', 'NOT IN'])} (SELECT k, name FROM {pick(['u', 'e'])})",
        ]
        text = pick(forms)()
        if "LEFT JOIN LATERAL" in text or " JOIN LATERAL" in text and "CROSS" not in text:
            text += " ON true"
        return text

    def set_operation(self):
        pick = self.random.choice
        sides = ["SELECT i AS a, str AS b FROM t", "SELECT k, name FROM u", "SELECT g, str FROM t", "SELECT k, name FROM e", "SELECT l, str FROM t"]
        op = lambda: pick(["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"])
        text = f"{pick(sides)} {op()} {pick(sides)}"
        if self.random.random() < 0.4:
            text += f" {op()} {pick(sides)}"
        return text

    def order(self):
        keys = ", ".join(self.random.choice(["i", "str", "d", "n", "dt", "l"]) + self.random.choice(["", " DESC", " NULLS LAST", " DESC NULLS FIRST"]) for _ in range(2))
        return f"SELECT i, str, d, n, dt FROM t ORDER BY {keys}, s LIMIT {self.random.randrange(1, 9)}"


KINDS = {"expressions": 700, "filter": 250, "aggregate": 400, "window": 250, "join": 200, "subquery": 250, "set_operation": 120, "order": 60}


def main():
    for kind, count in KINDS.items():
        g = Grammar("quern " + kind)
        seen = {}  # keeps its order; a small kind runs out of different statements
        for _ in range(20 * count):
            if len(seen) < count:
                seen[getattr(g, kind)()] = True
        with open(os.path.join(HERE, f"random_{kind}.sql"), "w") as f:
            f.write(TABLES + "\n" + "\n".join(s + ";" for s in seen) + "\n")


if __name__ == "__main__":
    main()
