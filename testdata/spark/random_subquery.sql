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

SELECT i FROM t WHERE (i, str) IN (SELECT k, name FROM u);
SELECT i, CASE WHEN i IN (SELECT k FROM u) THEN 'in' WHEN EXISTS (SELECT 1 FROM u WHERE u.k = t.g) THEN 'group' ELSE 'no' END AS x FROM t;
SELECT i FROM t WHERE i NOT IN (SELECT k FROM u WHERE k IS NOT NULL);
SELECT g, count(*) FROM t GROUP BY g HAVING count(*) <= (SELECT min(k) FROM u WHERE u.k = t.g);
SELECT i FROM t WHERE i IN (SELECT k FROM u WHERE u.w > t.g * 10);
SELECT i FROM t WHERE l > (SELECT min(k) FROM u);
SELECT g, count(*) FROM t GROUP BY g HAVING count(*) <= (SELECT min(k) FROM u);
SELECT i FROM t WHERE l > (SELECT max(w) FROM u);
SELECT i FROM t WHERE i < ANY (SELECT k FROM u WHERE k IS NOT NULL);
SELECT i FROM t WHERE i NOT IN (SELECT k FROM u);
SELECT i FROM t WHERE (i, str) NOT IN (SELECT k, name FROM u);
SELECT i FROM t WHERE i IN (SELECT k FROM u WHERE false);
SELECT g, count(*) FROM t GROUP BY g HAVING count(*) > (SELECT min(k) FROM u);
SELECT i, (SELECT count(name) FROM u WHERE u.k = t.g) AS x FROM t;
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k <=> t.g AND u.name = t.str);
SELECT i FROM t WHERE i = ALL (SELECT k FROM u WHERE k IS NOT NULL);
SELECT i, (SELECT max(w) FROM u WHERE u.k = t.i) AS x FROM t;
SELECT g, count(*) FROM t GROUP BY g HAVING count(*) > (SELECT count(*) - 4 FROM u WHERE u.k = t.g);
SELECT i FROM t WHERE i IN (SELECT k FROM u WHERE k IS NOT NULL);
SELECT i, (SELECT count(*) FROM u WHERE u.k = t.i) AS x FROM t;
SELECT i FROM t WHERE l > (SELECT min(k) FROM u WHERE u.name <> t.str);
SELECT i, (SELECT sum(w) + 1 FROM u WHERE u.k = t.i) AS x FROM t;
SELECT i, (SELECT min(name) FROM u WHERE u.k = t.g) AS x FROM t;
SELECT i FROM t WHERE i >= ALL (SELECT k FROM u WHERE k IS NOT NULL);
SELECT i, (SELECT max(w) FROM u WHERE u.k = t.g) AS x FROM t;
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k <=> t.i);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k < t.i);
SELECT i FROM t WHERE (i, str) IN (SELECT k, name FROM e);
SELECT g, count(*) FROM t GROUP BY g HAVING count(*) > (SELECT min(k) FROM u WHERE u.k = t.g);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k < t.g AND u.w > 10);
SELECT i, (SELECT min(name) FROM u WHERE u.k = t.i) AS x FROM t;
SELECT i, (SELECT count(name) FROM u WHERE u.k = t.i) AS x FROM t;
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.i);
SELECT i FROM t WHERE (i, str) NOT IN (SELECT k, name FROM e);
SELECT t.i, x.* FROM t LEFT JOIN LATERAL (SELECT w + t.g AS m FROM u WHERE u.k = t.g) AS x ON true;
SELECT i FROM t WHERE i NOT IN (SELECT k FROM u WHERE false);
SELECT t.i, x.* FROM t LEFT JOIN LATERAL (SELECT count(*) AS m FROM u WHERE u.k = t.g) AS x ON true;
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.i);
SELECT g, count(*) FROM t GROUP BY g HAVING count(*) <= (SELECT count(*) - 4 FROM u WHERE u.k = t.g);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.i AND u.w > 10);
SELECT i FROM t WHERE l > (SELECT avg(w) FROM u WHERE u.name <> t.str);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.g AND u.name = t.str);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.g AND u.name = t.str);
SELECT i FROM t WHERE l > (SELECT avg(w) FROM u);
SELECT i FROM t WHERE l > (SELECT min(k) FROM u WHERE u.k = t.g);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.g AND u.w > 10);
SELECT t.i, x.* FROM t JOIN LATERAL (SELECT count(*) AS m FROM u WHERE u.k = t.g) AS x ON true;
SELECT t.i, x.* FROM t, LATERAL (SELECT w + t.g AS m FROM u WHERE u.k = t.g) AS x;
SELECT i FROM t WHERE i NOT IN (SELECT k FROM u WHERE u.w > t.g * 10);
SELECT i FROM t WHERE i < ALL (SELECT k FROM u WHERE k IS NOT NULL);
SELECT t.i, x.* FROM t LEFT JOIN LATERAL (SELECT name AS m FROM u WHERE u.k = t.g) AS x ON true;
SELECT t.i, x.* FROM t JOIN LATERAL (SELECT max(w) AS m FROM u WHERE u.k = t.g) AS x ON true;
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k < t.g AND u.name = t.str);
SELECT i, (SELECT sum(w) + 1 FROM u WHERE u.k = t.g) AS x FROM t;
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k < t.g AND u.name = t.str);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k < t.g);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k < t.g);
SELECT i FROM t WHERE l > (SELECT avg(w) FROM u WHERE u.k = t.g);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k < t.i AND u.name = t.str);
SELECT t.i, x.* FROM t CROSS JOIN LATERAL (SELECT w + t.g AS m FROM u WHERE u.k = t.g) AS x;
SELECT i FROM t WHERE l > (SELECT max(w) FROM u WHERE u.name <> t.str);
SELECT i FROM t WHERE l > (SELECT max(w) FROM u WHERE u.k = t.g);
SELECT g, count(*) FROM t GROUP BY g HAVING count(*) <= (SELECT count(*) - 4 FROM u);
SELECT i FROM t WHERE i = ANY (SELECT k FROM u WHERE k IS NOT NULL);
SELECT i, (SELECT count(*) FROM u WHERE u.k = t.g) AS x FROM t;
SELECT t.i, x.* FROM t, LATERAL (SELECT count(*) AS m FROM u WHERE u.k = t.g) AS x;
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.g);
SELECT i FROM t WHERE i IN (SELECT k FROM u);
SELECT i FROM t WHERE i >= ANY (SELECT k FROM u WHERE k IS NOT NULL);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.i AND u.name = t.str);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.i AND u.name = t.str);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k <=> t.i AND u.w > 10);
SELECT t.i, x.* FROM t CROSS JOIN LATERAL (SELECT name AS m FROM u WHERE u.k = t.g) AS x;
SELECT t.i, x.* FROM t JOIN LATERAL (SELECT name AS m FROM u WHERE u.k = t.g) AS x ON true;
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.g AND u.w > 10);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.g);
SELECT g, count(*) FROM t GROUP BY g HAVING count(*) > (SELECT count(*) - 4 FROM u);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k <=> t.i AND u.name = t.str);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k <=> t.g);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k < t.i AND u.name = t.str);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k < t.g AND u.w > 10);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k <=> t.i AND u.w > 10);
SELECT t.i, x.* FROM t, LATERAL (SELECT max(w) AS m FROM u WHERE u.k = t.g) AS x;
SELECT t.i, x.* FROM t JOIN LATERAL (SELECT w + t.g AS m FROM u WHERE u.k = t.g) AS x ON true;
SELECT t.i, x.* FROM t LEFT JOIN LATERAL (SELECT max(w) AS m FROM u WHERE u.k = t.g) AS x ON true;
SELECT t.i, x.* FROM t, LATERAL (SELECT name AS m FROM u WHERE u.k = t.g) AS x;
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k <=> t.i AND u.name = t.str);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k <=> t.i);
SELECT t.i, x.* FROM t CROSS JOIN LATERAL (SELECT count(*) AS m FROM u WHERE u.k = t.g) AS x;
SELECT t.i, x.* FROM t CROSS JOIN LATERAL (SELECT max(w) AS m FROM u WHERE u.k = t.g) AS x;
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k <=> t.g);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k <=> t.g AND u.name = t.str);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k <=> t.g AND u.w > 10);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k < t.i);
SELECT i, g FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k < t.i AND u.w > 10);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k < t.i AND u.w > 10);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k <=> t.g AND u.w > 10);
SELECT i, g FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.i AND u.w > 10);
