// Reads Arrow answers with the JavaScript implementation of Arrow, which shares no code with the server's. URL names the
// server; its key is `local`.
import assert from 'node:assert/strict'
import test from 'node:test'
import { RecordBatchReader, Type, tableFromIPC } from 'apache-arrow'

const url = process.env.URL
const headers = { Authorization: 'Bearer local' }

const ask = async (query, format = 'arrow') => {
  const answer = await fetch(`${url}/api/data/query?format=${format}`, { method: 'POST', headers, body: query })
  assert.equal(answer.status, 200, query)
  return answer
}

// whole makes an integer of the 32-bit words of one that is wider, least first.
const whole = (words) => {
  let n = 0n
  for (const word of [...words].reverse()) n = (n << 32n) | BigInt(word >>> 0)
  return BigInt.asIntN(32 * words.length, n)
}

const decimal = (words, scale) => {
  const n = whole(words)
  const digits = String(n < 0n ? -n : n).padStart(scale + 1, '0')
  const at = digits.length - scale
  return (n < 0n ? '-' : '') + digits.slice(0, at) + (scale ? '.' + digits.slice(at) : '')
}

// raw gives the number that is kept of a time, which the library would round.
const raw = (vector, i) => {
  for (const data of vector.data) {
    if (i < data.length) {
      const width = data.values.length / data.length
      return data.values.slice(i * width, (i + 1) * width)
    }
    i -= data.length
  }
}

// show prints the value at i.
const show = (vector, i) => {
  if (!vector.isValid(i)) return 'NULL'
  const type = vector.type
  const value = vector.get(i)
  switch (type.typeId) {
    case Type.Decimal: return decimal(raw(vector, i), type.scale)
    case Type.Binary: return Buffer.from(value).toString('hex')
    case Type.Date: return new Date(Number(value)).toISOString().slice(0, 10)
    case Type.Time:
    case Type.Timestamp: return String(raw(vector, i)[0])
    case Type.Interval: {
      const [months, days, low, high] = raw(vector, i)
      return `${months} ${days} ${whole([low, high])}`
    }
    case Type.List: return '[' + Array.from({ length: value.length }, (_, k) => show(value, k)).join(' ') + ']'
    case Type.Struct: return '{' + type.children.map((f, k) => f.name + '=' + show(vector.getChildAt(k), i)).join(' ') + '}'
    case Type.Map: return '{' + [...value].map(([key, v]) => `${key}:${v ?? 'NULL'}`).join(' ') + '}'
    default: return Object.is(value, -0) ? '-0' : String(value)
  }
}

// list is a query for one column x of the values.
const list = (...values) => `select x from (values ${values.map((v, i) => `(${i}, ${v})`).join(', ')}) t(i, x) order by i`

const cases = {
  'boolean': [list('true', 'null', 'false'), 'Bool', 'true NULL false'],
  'tinyint': [list('(-128)::tinyint', '127', 'null'), 'Int8', '-128 127 NULL'],
  'smallint': [list('(-32768)::smallint', '32767'), 'Int16', '-32768 32767'],
  'integer': [list('(-2147483648)::integer', '2147483647'), 'Int32', '-2147483648 2147483647'],
  'bigint': [list('(-9223372036854775808)::bigint', '9007199254740993', '9223372036854775807', 'null'), 'Int64', '-9223372036854775808 9007199254740993 9223372036854775807 NULL'],
  'utinyint': [list('0::utinyint', '255'), 'Uint8', '0 255'],
  'usmallint': [list('65535::usmallint'), 'Uint16', '65535'],
  'uinteger': [list('4294967295::uinteger'), 'Uint32', '4294967295'],
  'ubigint': [list('18446744073709551615::ubigint', '0'), 'Uint64', '18446744073709551615 0'],
  'hugeint': [list('(-1)::hugeint', '18446744073709551616', '99999999999999999999999999999999999999', '(-99999999999999999999999999999999999999)', 'null'), 'Decimal[38e0]',
    '-1 18446744073709551616 99999999999999999999999999999999999999 -99999999999999999999999999999999999999 NULL'],
  'uhugeint': [list('340282366920938463463374607431768211455::uhugeint'), 'Utf8', '340282366920938463463374607431768211455'],
  'float': [list('1.5::float', "'nan'", "'inf'", "'-inf'", 'null'), 'Float32', '1.5 NaN Infinity -Infinity NULL'],
  'double': [list('0.1::double', '1.7976931348623157e308', '5e-324', "'nan'", "'-inf'", "'-0'"), 'Float64', '0.1 1.7976931348623157e+308 5e-324 NaN -Infinity -0'],
  'decimal in 32 bits': [list('-12.34::decimal(4,2)', '0.05', 'null'), 'Decimal[4e+2]', '-12.34 0.05 NULL'],
  'decimal in 64 bits': [list('-1234567890.12345678::decimal(18,8)'), 'Decimal[18e+8]', '-1234567890.12345678'],
  'decimal in 128 bits': [list('-18446744073709551616.5::decimal(38,1)', '1'), 'Decimal[38e+1]', '-18446744073709551616.5 1.0'],
  'varchar': [list("''", "'ü€😀'", 'null', "'a text of more than twelve bytes'", "'a\"b'"), 'Utf8', ' ü€😀 NULL a text of more than twelve bytes a"b'],
  'enum': [`select x::enum('a', 'b') as x from (${list("'b'", 'null', "'a'")})`, 'Utf8', 'b NULL a'],
  'json': [list(`'{"a":[1,2]}'::json`, 'null'), 'Utf8', '{"a":[1,2]} NULL'],
  'uuid': [list("'01234567-89ab-cdef-0123-456789abcdef'::uuid", 'null'), 'Utf8', '01234567-89ab-cdef-0123-456789abcdef NULL'],
  'bit': [list("'101'::bit"), 'Utf8', '101'],
  'blob': [list("'\\x00\\xFFab'::blob", "''", 'null'), 'Binary', '00ff6162  NULL'],
  'date': [list("date '1969-12-31'", "'0001-01-01'", "'9999-12-31'", "'infinity'", 'null'), 'Date32<DAY>', '1969-12-31 0001-01-01 9999-12-31 NULL NULL'],
  'time': [list("time '12:34:56.789'", "'00:00:00'"), 'Time64<MICROSECOND>', '45296789000 0'],
  'time in ns': [list("'12:34:56.123456789'::time_ns"), 'Time64<NANOSECOND>', '45296123456789'],
  'timestamp in s': [list("'1969-12-31 23:59:59'::timestamp_s"), 'Timestamp<SECOND>', '-1'],
  'timestamp in ms': [list("'1970-01-02 00:00:00.001'::timestamp_ms"), 'Timestamp<MILLISECOND>', '86400001'],
  'timestamp': [list("timestamp '1969-12-31 23:59:59.999999'", "'infinity'", 'null'), 'Timestamp<MICROSECOND>', '-1 NULL NULL'],
  'timestamp in ns': [list("'1970-01-01 00:00:00.000000001'::timestamp_ns"), 'Timestamp<NANOSECOND>', '1'],
  'timestamp with a zone': [list("timestamptz '2024-07-01 00:00:00+02'"), 'Timestamp<MICROSECOND, UTC>', '1719784800000000'],
  'interval': [list("interval '1 year 2 months -3 days 4 hours'", 'null', "interval '-1 microsecond'"), 'Interval<MONTH_DAY_NANO>', '14 -3 14400000000000 NULL 0 0 -1000'],
  'list': [list('[1, null, 3]', '[]', 'null', '[4]'), 'List<Int32>', '[1 NULL 3] [] NULL [4]'],
  'list of lists': [list("[['a'], [], null]", "[['b']]"), 'List<List<Utf8>>', '[[a] [] NULL] [[b]]'],
  'array': [list('[1, 2]::integer[2]', 'null'), 'List<Int32>', '[1 2] NULL'],
  'struct': [list("{'a': 1, 'b': 'x'}", 'null', "{'a': null, 'b': 'y'}"), 'Struct<{a:Int32, b:Utf8}>', '{a=1 b=x} NULL {a=NULL b=y}'],
  'struct of lists of structs': [list("{'l': [{'d': date '1970-01-02'}, null]}", "{'l': null}"), 'Struct<{l:List<Struct<{d:Date32<DAY>}>>}>', '{l=[{d=1970-01-02} NULL]} {l=NULL}'],
  'map': [list("map {'k': 1, 'l': null}", 'map {}', 'null'), 'Map<{key:Utf8, value:Int32}>', '{k:1 l:NULL} {} NULL'],
  'null': [list('null', 'null'), 'Int32', 'NULL NULL'],
}
for (const [name, [query, type, want]] of Object.entries(cases)) {
  test('arrow: ' + name, async () => {
    const table = tableFromIPC(new Uint8Array(await (await ask(query)).arrayBuffer()))
    const column = table.getChildAt(0)
    assert.equal(String(column.type), type)
    assert.equal(Array.from({ length: table.numRows }, (_, i) => show(column, i)).join(' '), want)
  })
}

test('arrow: columns of one name', async () => {
  const table = tableFromIPC(new Uint8Array(await (await ask('select 1 as a, 2 as a, 3 as b, 4 as a')).arrayBuffer()))
  assert.deepEqual(table.schema.fields.map((f) => f.name), ['a', 'a_1', 'b', 'a_2'])
  assert.deepEqual(table.toArray().map((row) => row.toArray()), [[1, 2, 3, 4]])
})

test('arrow: no rows', async () => {
  const table = tableFromIPC(new Uint8Array(await (await ask('select 1 as n where false')).arrayBuffer()))
  assert.deepEqual([table.numRows, table.schema.fields.map((f) => f.name)], [0, ['n']])
})

// A stream of many record batches is read as it comes, and has the rows that JSON has.
test('arrow: a stream', async () => {
  const query = "select i, case when i % 3 > 0 then 'text ' || (i % 1000) end as s, i / 8 as f from range(150000) t(i)"
  const lines = (await (await ask(query, 'ndjson')).text()).split('\n')
  const reader = await RecordBatchReader.from((await ask(query)).body)
  let rows = 0
  let batches = 0
  for await (const batch of reader) {
    batches++
    for (const row of batch) {
      const want = JSON.parse(lines[rows++])
      assert.deepEqual({ i: Number(row.i), s: row.s, f: row.f }, want)
    }
  }
  assert.equal(rows, 150000)
  assert.ok(batches > 2, String(batches))
})
