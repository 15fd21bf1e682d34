// Drives /api/rest with the official PostgREST client. URL names the server; its key is `local`.
import assert from 'node:assert/strict'
import test from 'node:test'
import { PostgrestClient } from '@supabase/postgrest-js'

const url = process.env.URL
const headers = { Authorization: 'Bearer local' }
const db = new PostgrestClient(url + '/api/rest', { headers })

const people = [
  { id: 1, name: 'Ann', age: 30, born: '1994-02-28', tags: 'a,b' },
  { id: 2, name: 'Bob', age: 25, paid: true },
  { id: 3, name: 'Al, the great', born: '2001-01-01', paid: false },
  { id: 4, name: 'ann%_\\', age: 41 },
]

const ids = async (query) => {
  const { data, error, status } = await query
  assert.equal(error, null, JSON.stringify(error) + status)
  return data.map((row) => row.id)
}

test('rows go in', async () => {
  const answer = await fetch(url + '/api/data/insert/people?wait=true', { method: 'POST', headers, body: JSON.stringify(people) })
  assert.equal((await answer.json()).state, 'loaded')
})

const rows = () => db.from('people').select('id').order('id')
const cases = {
  'all': [() => rows(), [1, 2, 3, 4]],
  'eq': [() => rows().eq('age', 25), [2]],
  'neq': [() => rows().neq('age', 25), [1, 4]],
  'gt': [() => rows().gt('age', 30), [4]],
  'gte': [() => rows().gte('age', 30), [1, 4]],
  'lt': [() => rows().lt('age', 30), [2]],
  'lte': [() => rows().lte('age', 30), [1, 2]],
  'like': [() => rows().like('name', 'A%'), [1, 3]],
  'like all': [() => rows().likeAllOf('name', ['A%', '%n']), [1]],
  'like any': [() => rows().likeAnyOf('name', ['Ann', 'Bo%']), [1, 2]],
  'ilike': [() => rows().ilike('name', 'a%'), [1, 3, 4]],
  'in': [() => rows().in('name', ['Al, the great', 'Bob']), [2, 3]],
  'in of numbers': [() => rows().in('id', [1, 4, 9]), [1, 4]],
  'is null': [() => rows().is('age', null), [3]],
  'is true': [() => rows().is('paid', true), [2]],
  'not': [() => rows().not('age', 'is', null), [1, 2, 4]],
  'not in': [() => rows().not('id', 'in', '(1,2)'), [3, 4]],
  'or': [() => rows().or('age.eq.25,born.eq.2001-01-01'), [2, 3]],
  'nested and and or': [() => rows().or('id.eq.1,and(age.gt.20,age.lt.28)'), [1, 2]],
  'match of an object': [() => rows().match({ id: 1, name: 'Ann' }), [1]],
  'a value with odd characters': [() => rows().eq('name', 'ann%_\\'), [4]],
  'an attack': [() => rows().eq('name', "'; drop table people; --"), []],
  'limit': [() => rows().limit(2), [1, 2]],
  'range': [() => rows().range(1, 2), [2, 3]],
  'nulls first': [() => db.from('people').select('id').order('age', { ascending: false, nullsFirst: true }), [3, 4, 1, 2]],
  'nulls last': [() => db.from('people').select('id').order('age', { nullsFirst: false }), [2, 1, 4, 3]],
}
for (const [name, [query, want]] of Object.entries(cases)) {
  test(name, async () => assert.deepEqual(await ids(query()), want))
}

test('aliases and casts', async () => {
  const { data, error } = await db.from('people').select('number:id::text, name').eq('id', 1)
  assert.equal(error, null)
  assert.deepEqual(data, [{ number: '1', name: 'Ann' }])
})

test('single', async () => {
  const { data, error } = await db.from('people').select('id,age').eq('id', 1).single()
  assert.equal(error, null)
  assert.deepEqual(data, { id: 1, age: 30 })
  const none = await db.from('people').select('id').eq('id', 9).single()
  assert.equal(none.status, 406)
})

test('count', async () => {
  const some = await db.from('people').select('id', { count: 'exact' }).order('id').range(0, 1)
  assert.deepEqual([some.count, some.status, some.data.length], [4, 206, 2])
  const head = await db.from('people').select('id', { count: 'exact', head: true }).gt('age', 26)
  assert.deepEqual([head.count, head.error], [2, null])
})

test('csv', async () => {
  const { data } = await db.from('people').select('id,name').eq('id', 3).csv()
  assert.equal(data, 'id,name\r\n3,"Al, the great"\r\n')
})

test('mistakes', async () => {
  const mistakes = [
    [rows().eq('nope_at_all', 1), 400, 'unknown_column', /has no column "nope_at_all"/, null],
    [rows().eq('agee', 1), 400, 'unknown_column', /has no column "agee"/, 'perhaps you meant the column "age"'],
    [db.from('people').select('Name'), 400, 'unknown_column', /has no column "Name"/, 'perhaps you meant the column "name"'],
    [rows().filter('age', 'foo', 1), 400, 'unknown_operator', /"foo" is not an operator/, null],
    [rows().eq('age', 'many'), 400, 'bad_filter', /"many" is not/, null],
    [db.from('people').select('id,other(*)'), 400, 'not_supported', /embedded/, null],
    [db.from('nowhere').select(), 404, 'unknown_table', /nowhere/, null],
    [rows().single(), 406, 'not_one_row', /one row/, null],
    [new PostgrestClient(url + '/api/rest').from('people').select(), 401, 'no_key', /key/, null],
  ]
  for (const [query, wantStatus, code, message, hint] of mistakes) {
    const { data, error, status } = await query
    assert.deepEqual([data, status, error.code, error.details, error.hint], [null, wantStatus, code, null, hint], JSON.stringify(error))
    assert.match(error.message, message)
    assert.equal(error.detail, error.message)
  }
})

test('a mistake that is thrown', async () => {
  await assert.rejects(async () => await rows().eq('agee', 1).throwOnError(), (error) => {
    assert.ok(error instanceof Error)
    assert.match(error.message, /has no column "agee"/)
    assert.equal(error.code, 'unknown_column')
    assert.equal(error.hint, 'perhaps you meant the column "age"')
    return true
  })
})
