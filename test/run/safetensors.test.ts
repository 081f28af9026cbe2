/**
 * The safetensors reader and writer, tested with files that other code wrote with PyTorch's values.
 */
import '../support/quick.js';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import {
  readSafetensors,
  readSafetensorsMetadata,
  type Tensor,
  writeSafetensors,
} from '../../src/run/safetensors.js';
import { EXIT, UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';
import { failure } from '../support/failure.js';
import { work } from '../support/work.js';

const folder = work.folder();
const file = join(folder, 'file.safetensors');

/** Creates a file byte by byte, so that the reader is not tested with its own writer. */
function handmade(
  header: string,
  data: Uint8Array = new Uint8Array(),
  length = Buffer.byteLength(header),
): Buffer {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(length));
  return Buffer.concat([prefix, Buffer.from(header), data]);
}

function failureOf(bytes: Uint8Array): UserError {
  writeFileSync(file, bytes);
  return failure(() => readSafetensors(file));
}

t.test('reads files that other code wrote', async t => {
  const { tensors, metadata } = readSafetensors(
    join(packageRoot, 'test/fixtures/goldens/lstm_base.safetensors'),
  );
  const x = tensors.get('x')!;
  t.same([x.dtype, x.shape], ['F32', [4, 7, 5]]);
  // read with NumPy
  t.same([...x.data.subarray(0, 3)], [0.3061627149581909, -0.10885152220726013, 0.12358327955007553]);
  t.equal(tensors.get('out.loss')!.data[0], 1.0889195133161078);
  t.same(tensors.get('out.loss')!.shape, []);
  t.same([...tensors.get('y')!.data], [0n, 1n, 1n, 2n]);
  t.equal(tensors.size, 164);
  t.match(metadata, { seed: '1000', torch: '"2.6.0+debian"' });
});

t.test('writes the bytes that the format requires', async t => {
  const data = Float32Array.of(1, -2, 0.5);
  const bytes = writeSafetensors(
    file,
    new Map<string, Tensor>([
      ['b', { dtype: 'F32', shape: [3], data }],
      ['a', { dtype: 'U8', shape: [2, 1], data: Uint8Array.of(7, 9) }],
    ]),
    { note: 'x' },
  );
  const raw = readFileSync(file);
  t.equal(raw.length, bytes);
  const length = Number(raw.readBigUInt64LE(0));
  t.equal(length % 8, 0, 'the data begin aligned');
  const header = JSON.parse(raw.subarray(8, 8 + length).toString());
  t.match(header, {
    a: { dtype: 'U8', shape: [2, 1], data_offsets: [0, 2] },
    b: { dtype: 'F32', shape: [3], data_offsets: [2, 14] },
  });
  t.equal(header.__metadata__.note, 'x');
  t.equal(header.__metadata__['sha256.b'], createHash('sha256').update(raw.subarray(-12)).digest('hex'));
  t.same(
    [2, 6, 10].map(at => raw.readFloatLE(8 + length + at)),
    [1, -2, 0.5],
  );
  t.same(readSafetensors(file).metadata, { note: 'x' }, 'digests are not handed out');
  t.same(readSafetensorsMetadata(file), { note: 'x' });
  t.same(readdirSync(folder), ['file.safetensors'], 'no temporary file stays');
});

t.test('reads a header whose length starts like a pickle', async t => {
  const tensors = new Map<string, Tensor>([['a', { dtype: 'U8', shape: [1], data: Uint8Array.of(7) }]]);
  const starts = Array.from({ length: 60 }, (_, i) => {
    writeSafetensors(file, tensors, { note: 'x'.repeat(8 * i) });
    t.equal(readSafetensors(file).tensors.size, 1);
    return readFileSync(file).subarray(0, 2).toString('hex');
  });
  t.ok(starts.includes('8002'), 'a length of 640 was among them');
});

t.test('round trip of any tensors', async t => {
  const shape = fc.array(fc.nat(4), { maxLength: 3 });
  const sized = (n: number) => ({ minLength: n, maxLength: n });
  const tensor: fc.Arbitrary<Tensor> = shape.chain(shape => {
    const n = shape.reduce((a, b) => a * b, 1);
    return fc.oneof(
      fc.float32Array(sized(n)).map((data): Tensor => ({ dtype: 'F32', shape, data })),
      fc.float64Array(sized(n)).map((data): Tensor => ({ dtype: 'F64', shape, data })),
      fc.bigInt64Array(sized(n)).map((data): Tensor => ({ dtype: 'I64', shape, data })),
      fc.int32Array(sized(n)).map((data): Tensor => ({ dtype: 'I32', shape, data })),
      fc.uint8Array(sized(n)).map((data): Tensor => ({ dtype: 'U8', shape, data })),
    );
  });
  const name = fc.string({ unit: 'grapheme', maxLength: 8 }).filter(n => n !== '__metadata__');
  const named = fc.array(fc.tuple(fc.oneof(name, fc.constantFrom('__proto__', '1', '"')), tensor), {
    maxLength: 5,
  });
  const property = (): void =>
    fc.assert(
      fc.property(
        named,
        fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ unit: 'grapheme' })),
        (entries, metadata) => {
          const tensors = new Map(entries);
          writeSafetensors(file, tensors, metadata);
          const read = readSafetensors(file);
          assert.deepEqual([...read.tensors.keys()].sort(), [...tensors.keys()].sort());
          for (const [key, { dtype, shape, data }] of tensors) {
            const back = read.tensors.get(key)!;
            assert.deepEqual([back.dtype, back.shape], [dtype, shape]);
            assert.ok(
              Buffer.from(back.data.buffer).equals(
                Buffer.from(data.buffer, data.byteOffset, data.byteLength),
              ),
            );
          }
          assert.deepEqual(Object.entries(read.metadata).sort(), Object.entries(metadata).sort());
        },
      ),
      { numRuns: 40 },
    );
  t.doesNotThrow(property);
});

t.test('detects every flipped bit and missing byte', async t => {
  const tensors = new Map<string, Tensor>([
    ['fc.weight', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
    ['empty', { dtype: 'F32', shape: [0, 8], data: new Float32Array() }],
    ['steps', { dtype: 'I64', shape: [], data: BigInt64Array.of(600n) }],
  ]);
  writeSafetensors(file, tensors, { format: 'pt', note: 'a \u00e9 "b"' });
  const whole = readFileSync(file);
  const unseen: string[] = [];
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const broken = Buffer.from(whole);
    broken[bit >> 3] ^= 1 << (bit & 7);
    writeFileSync(file, broken);
    try {
      readSafetensors(file);
      unseen.push(`bit ${bit}`);
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode !== EXIT.damaged)
        unseen.push(`bit ${bit}: ${error}`);
    }
  }
  for (let length = 0; length < whole.length; length++) {
    if (failureOf(whole.subarray(0, length)).exitCode !== EXIT.damaged) unseen.push(`length ${length}`);
  }
  t.same(unseen, []);
});

t.test('reports every deviation from the format with its location', async t => {
  const one = (fields: string): string => `{"w":{${fields}}}`;
  const good = '"dtype":"F32","shape":[1],"data_offsets":[0,4]';
  const four = new Uint8Array(4);
  const UNFIT = 'is not described by an element type, a shape and data_offsets that fit';
  const cases: [string, Buffer, string, number][] = [
    ['no bytes', Buffer.alloc(0), 'the file ends within the header length', 0],
    [
      'huge header',
      handmade('{}', four, 2 ** 40),
      `this is not a safetensors file: a header of ${2 ** 40} bytes exceeds 100000000`,
      0,
    ],
    ['short header', handmade('{}', undefined, 99), 'the file ends within its header of 99 bytes', 10],
    ['not an object', handmade('[]'), 'the header is not a JSON object', 8],
    ['not JSON', handmade('{"w"'), 'the header is not JSON', 8],
    ['not UTF-8', handmade('{"\u0001"').fill(0xff, 10, 11), 'the header is not JSON', 8],
    [
      'dtype',
      handmade(one(good.replace('F32', 'BF16')), four),
      'element type BF16; known are F32, F64, I64, I32, U8',
      8,
    ],
    ['prototype dtype', handmade(one(good.replace('F32', 'toString')), four), 'element type toString', 8],
    ['shape', handmade(one(good.replace('[1]', '[-1]')), four), UNFIT, 8],
    ['shape too large', handmade(one(good.replace('[1]', `[${'99999999,'.repeat(3)}1]`)), four), UNFIT, 8],
    ['offsets', handmade(one(good.replace('[0,4]', '[4,0]')), four), UNFIT, 8],
    ['size', handmade(one(good.replace('[1]', '[2]')), four), UNFIT, 8],
    ['field', handmade(one(`${good},"x":1`), four), UNFIT, 8],
    ['metadata', handmade('{"__metadata__":{"a":1}}'), '__metadata__ is not an object of strings', 8],
    [
      'gap',
      handmade(one(good.replace('[0,4]', '[4,8]')), new Uint8Array(8)),
      "tensor 'w' does not start where the one before it ends",
      8 + 57,
    ],
    ['overlap', handmade(`{"w":{${good}},"v":{${good}}}`, four), 'does not start where the one before', 0],
    ['truncated', handmade(one(good), four.subarray(1)), 'the tensors end at 66, but the file at 65', 0],
    ['trailing', handmade(one(good), new Uint8Array(9)), 'the tensors end at 66, but the file at 71', 0],
    ['not a tensor', handmade('{"w":1}'), UNFIT, 8],
  ];
  for (const [name, bytes, message, offset] of cases) {
    const error = failureOf(bytes);
    t.equal(error.exitCode, EXIT.damaged, name);
    t.ok(error.diagnostics[0].message.includes(message), `${name}: ${error.message}`);
    t.equal(error.diagnostics[0].file, file);
    if (offset > 0) t.type(error.diagnostics[0].offset, 'number');
    if (offset === 8) t.equal(error.diagnostics[0].offset, 8, name);
  }
  t.equal(failure(() => readSafetensors(join(folder, 'absent'))).exitCode, EXIT.usage);
  t.match(failure(() => readSafetensors(folder)).message, 'this is a directory, not a file');
  t.match(failure(() => readSafetensorsMetadata(folder)).message, 'this is a directory, not a file');
});

t.test('reads or refuses a header of 30 MB and one of a million levels', async t => {
  const long = handmade(`{"__metadata__":{"${'a'.repeat(20_000_000)}":"${'\\"'.repeat(5_000_000)}"}}`);
  writeFileSync(file, long);
  t.equal(Object.keys(readSafetensors(file).metadata).length, 1);
  const deep = failureOf(handmade(`{"w":${'['.repeat(1_000_000)}`));
  t.equal(deep.exitCode, EXIT.damaged);
  for (const [open, close] of ['[]', ['{"a":', '}']]) {
    const closed = failureOf(handmade(`{"w":${open.repeat(5000)}0${close.repeat(5000)}}`));
    t.match(closed, {
      exitCode: EXIT.damaged,
      message: `${file}: offset 8: the nesting of the header is too deep`,
    });
  }
});

t.test('refuses to write what could not be read back', async t => {
  const data = new Float32Array(3);
  t.throws(
    () => writeSafetensors(file, new Map([['w', { dtype: 'F32', shape: [2], data }]]), {}),
    RangeError,
  );
  t.throws(() => writeSafetensors(file, new Map(), { 'sha256.w': '' }), RangeError);
  t.throws(
    () => writeSafetensors(file, new Map([['__metadata__', { dtype: 'F32', shape: [3], data }]]), {}),
    RangeError,
  );
});
