CREATE TEMPORARY VIEW t AS SELECT * FROM VALUES
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

SELECT i, str, d, n, dt FROM t ORDER BY dt DESC, str NULLS LAST, s LIMIT 4;
SELECT i, str, d, n, dt FROM t ORDER BY i NULLS LAST, d DESC, s LIMIT 1;
SELECT i, str, d, n, dt FROM t ORDER BY d NULLS LAST, n DESC, s LIMIT 8;
SELECT i, str, d, n, dt FROM t ORDER BY i DESC, dt DESC, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY str DESC, d DESC NULLS FIRST, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY d, dt, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY l, str, s LIMIT 4;
SELECT i, str, d, n, dt FROM t ORDER BY l NULLS LAST, dt DESC, s LIMIT 4;
SELECT i, str, d, n, dt FROM t ORDER BY l DESC, str, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY l DESC, dt NULLS LAST, s LIMIT 2;
SELECT i, str, d, n, dt FROM t ORDER BY str NULLS LAST, n NULLS LAST, s LIMIT 8;
SELECT i, str, d, n, dt FROM t ORDER BY dt, n, s LIMIT 6;
SELECT i, str, d, n, dt FROM t ORDER BY dt, i DESC NULLS FIRST, s LIMIT 2;
SELECT i, str, d, n, dt FROM t ORDER BY str, n DESC NULLS FIRST, s LIMIT 8;
SELECT i, str, d, n, dt FROM t ORDER BY d DESC NULLS FIRST, str, s LIMIT 7;
SELECT i, str, d, n, dt FROM t ORDER BY l DESC, dt DESC NULLS FIRST, s LIMIT 8;
SELECT i, str, d, n, dt FROM t ORDER BY i, str, s LIMIT 1;
SELECT i, str, d, n, dt FROM t ORDER BY dt DESC NULLS FIRST, str DESC, s LIMIT 4;
SELECT i, str, d, n, dt FROM t ORDER BY dt NULLS LAST, i, s LIMIT 6;
SELECT i, str, d, n, dt FROM t ORDER BY l NULLS LAST, i DESC, s LIMIT 2;
SELECT i, str, d, n, dt FROM t ORDER BY l DESC NULLS FIRST, d NULLS LAST, s LIMIT 5;
SELECT i, str, d, n, dt FROM t ORDER BY str DESC NULLS FIRST, str, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY dt NULLS LAST, str DESC NULLS FIRST, s LIMIT 8;
SELECT i, str, d, n, dt FROM t ORDER BY l DESC NULLS FIRST, n, s LIMIT 4;
SELECT i, str, d, n, dt FROM t ORDER BY str NULLS LAST, str DESC NULLS FIRST, s LIMIT 5;
SELECT i, str, d, n, dt FROM t ORDER BY n, d DESC NULLS FIRST, s LIMIT 6;
SELECT i, str, d, n, dt FROM t ORDER BY str NULLS LAST, l DESC, s LIMIT 2;
SELECT i, str, d, n, dt FROM t ORDER BY i, str NULLS LAST, s LIMIT 4;
SELECT i, str, d, n, dt FROM t ORDER BY dt DESC, d NULLS LAST, s LIMIT 6;
SELECT i, str, d, n, dt FROM t ORDER BY n DESC, dt, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY d DESC NULLS FIRST, n, s LIMIT 2;
SELECT i, str, d, n, dt FROM t ORDER BY str, d NULLS LAST, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY n DESC NULLS FIRST, d, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY d DESC NULLS FIRST, i DESC, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY str DESC NULLS FIRST, i, s LIMIT 1;
SELECT i, str, d, n, dt FROM t ORDER BY d NULLS LAST, l NULLS LAST, s LIMIT 1;
SELECT i, str, d, n, dt FROM t ORDER BY str DESC, l NULLS LAST, s LIMIT 5;
SELECT i, str, d, n, dt FROM t ORDER BY str DESC NULLS FIRST, l, s LIMIT 4;
SELECT i, str, d, n, dt FROM t ORDER BY i NULLS LAST, dt NULLS LAST, s LIMIT 6;
SELECT i, str, d, n, dt FROM t ORDER BY dt NULLS LAST, d NULLS LAST, s LIMIT 6;
SELECT i, str, d, n, dt FROM t ORDER BY str, dt, s LIMIT 4;
SELECT i, str, d, n, dt FROM t ORDER BY dt DESC NULLS FIRST, l DESC NULLS FIRST, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY d, i DESC NULLS FIRST, s LIMIT 2;
SELECT i, str, d, n, dt FROM t ORDER BY d DESC, d, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY i DESC, l DESC NULLS FIRST, s LIMIT 7;
SELECT i, str, d, n, dt FROM t ORDER BY n DESC, dt DESC NULLS FIRST, s LIMIT 2;
SELECT i, str, d, n, dt FROM t ORDER BY str DESC NULLS FIRST, dt NULLS LAST, s LIMIT 5;
SELECT i, str, d, n, dt FROM t ORDER BY str DESC, n DESC NULLS FIRST, s LIMIT 4;
SELECT i, str, d, n, dt FROM t ORDER BY i DESC, dt, s LIMIT 5;
SELECT i, str, d, n, dt FROM t ORDER BY d DESC NULLS FIRST, dt NULLS LAST, s LIMIT 5;
SELECT i, str, d, n, dt FROM t ORDER BY str DESC NULLS FIRST, n DESC, s LIMIT 2;
SELECT i, str, d, n, dt FROM t ORDER BY i DESC NULLS FIRST, i DESC NULLS FIRST, s LIMIT 7;
SELECT i, str, d, n, dt FROM t ORDER BY i NULLS LAST, dt NULLS LAST, s LIMIT 4;
SELECT i, str, d, n, dt FROM t ORDER BY n DESC, l NULLS LAST, s LIMIT 7;
SELECT i, str, d, n, dt FROM t ORDER BY dt NULLS LAST, l, s LIMIT 7;
SELECT i, str, d, n, dt FROM t ORDER BY l DESC, l DESC NULLS FIRST, s LIMIT 8;
SELECT i, str, d, n, dt FROM t ORDER BY i DESC, n DESC, s LIMIT 3;
SELECT i, str, d, n, dt FROM t ORDER BY str DESC NULLS FIRST, d NULLS LAST, s LIMIT 5;
SELECT i, str, d, n, dt FROM t ORDER BY dt DESC, str DESC, s LIMIT 2;
SELECT i, str, d, n, dt FROM t ORDER BY n, str, s LIMIT 1;
