/**
 * Parses the header of a safetensors file and checks every rule of the format before any value is
 * read.
 */
import { damagedError, type UserError, usageError } from '../../util/errors.js';
import { notJson } from '../files/json.js';
import { type DType, ELEMENT_BYTES, elementCount, isDType } from './tensor-types.js';

/** Position of a tensor; `begin` and `end` count bytes from the end of the header. */
export interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Size of the header length at the start of the file. */
export const LENGTH_BYTES = 8;

export interface Header {
  /** Sorted by `begin`, without gaps or overlaps. */
  readonly entries: readonly Entry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Offset of the tensors' bytes in the file. */
  readonly dataStart: number;
}

/** The format's own limit: a hostile length must not cause a large allocation. */
export const MAX_HEADER_BYTES = 100_000_000;

/**
 * Parses the start of `file`. `bytes` has at least the whole header, or the whole file if that is
 * shorter; `fileBytes` is the file's length.
 * @throws UserError (exit 5) with the offset if a rule of the format is violated
 * @throws UserError (exit 2) if this is a file of `torch.save`
 */
export function parseHeader(bytes: Buffer, fileBytes: number, file: string): Header {
  const damaged = (offset: number, message: string): UserError =>
    damagedError({ code: 'safetensors/damaged', message, file, offset });
  if (isPyTorch(bytes)) throw pyTorchFile(file);
  const length = headerLength(bytes, damaged);
  const dataStart = LENGTH_BYTES + length;
  const text = decodeHeader(bytes.subarray(LENGTH_BYTES, dataStart), damaged);
  const header = parseObject(text, damaged);
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw damaged(LENGTH_BYTES, `the header contains '${repeated}' twice`);
  const metadata = metadataOf(header, damaged);
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => entryOf(name, value, message => damaged(LENGTH_BYTES, message)))
    // empty tensors start where their neighbor does, so the end breaks ties
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(entries, fileBytes - dataStart, (at, message) => damaged(dataStart + at, message));
  return { entries, metadata, dataStart };
}

/**
 * Recognizes files of `torch.save`: a zip archive, or a pickle from before version 1.6. A
 * safetensors header length may have the same first bytes (640 is 80 02), but then a brace follows
 * it.
 */
function isPyTorch(bytes: Buffer): boolean {
  if (bytes[LENGTH_BYTES] === 0x7b) return false;
  const start = bytes.toString('latin1', 0, 4);
  return start === 'PK\x03\x04' || start.startsWith('\x80\x02');
}

/** Pickles can run any code, so they are left to Python to convert. */
function pyTorchFile(file: string): UserError {
  const target = `${file.replace(/\.[^./\\]*$/, '')}.safetensors`;
  const command = `import torch, safetensors.torch as s; s.save_file({k: v.contiguous().clone() for k, v in torch.load(${JSON.stringify(file)}, map_location="cpu", weights_only=True).items()}, ${JSON.stringify(target)})`;
  return usageError({
    code: 'safetensors/pytorch',
    message: 'this file was written by torch.save; weights are read from safetensors files',
    file,
    expected: `a safetensors file; if this one holds a state_dict, run: python3 -c '${command}'`,
  });
}

type Damaged = (offset: number, message: string) => UserError;

function headerLength(bytes: Buffer, damaged: Damaged): number {
  if (bytes.length < LENGTH_BYTES) throw damaged(bytes.length, 'the file ends inside the header length');
  const length = bytes.readBigUInt64LE(0);
  if (length > MAX_HEADER_BYTES)
    throw damaged(0, `a header of ${length} bytes exceeds the format's ${MAX_HEADER_BYTES}`);
  if (LENGTH_BYTES + Number(length) > bytes.length)
    throw damaged(bytes.length, `the file ends inside its header of ${length} bytes`);
  return Number(length);
}

function decodeHeader(bytes: Buffer, damaged: Damaged): string {
  if (bytes[0] !== 0x7b) throw damaged(LENGTH_BYTES, "the header does not begin with '{'");
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw damaged(LENGTH_BYTES, 'the header is not UTF-8');
  }
}

function parseObject(text: string, damaged: Damaged): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw damaged(LENGTH_BYTES, notJson('the header', error));
  }
  if (!isRecord(header)) throw damaged(LENGTH_BYTES, 'the header is not a JSON object');
  return header;
}

/**
 * Finds a repeated key by walking the tokens of valid JSON: JSON.parse silently keeps the last one.
 */
function repeatedKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const token = text[at];
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token === '"') {
      const end = stringEnd(text, at);
      // in a list no colon follows a string, so its set stays empty
      if (text[skipSpace(text, end)] === ':') {
        const key = String(JSON.parse(text.slice(at, end)));
        if (open.at(-1)?.has(key)) return key;
        open.at(-1)?.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/**
 * The index after the closing quote of the string that opens at `start`. Not a regular expression,
 * because those overflow the stack on long strings.
 */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at].trim() === '') at++;
  return at;
}

function metadataOf(header: Readonly<Record<string, unknown>>, damaged: Damaged): Record<string, string> {
  const metadata = header.__metadata__ ?? {};
  if (!isRecord(metadata)) throw damaged(LENGTH_BYTES, '__metadata__ is not an object');
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => {
      if (typeof value !== 'string') throw damaged(LENGTH_BYTES, `__metadata__ '${key}' is not a string`);
      return [key, value];
    }),
  );
}

function entryOf(name: string, value: unknown, damaged: (message: string) => UserError): Entry {
  if (!isRecord(value)) throw damaged(`tensor '${name}' is not described by an object`);
  const { dtype, shape, data_offsets: offsets, ...unknown } = value;
  const [extra] = Object.keys(unknown);
  if (extra !== undefined) throw damaged(`tensor '${name}' has an unknown field '${extra}'`);
  if (!isDType(dtype)) {
    throw damaged(
      `tensor '${name}' has element type ${JSON.stringify(dtype)}; known are ${Object.keys(ELEMENT_BYTES).join(', ')}`,
    );
  }
  if (!isNumbers(shape)) throw damaged(`the shape of tensor '${name}' is not a list of numbers`);
  const count = elementCount(shape);
  if (count === undefined)
    throw damaged(`the shape of tensor '${name}' is not possible: [${shape.join(', ')}]`);
  if (!isNumbers(offsets) || offsets.length !== 2)
    throw damaged(`the data_offsets of tensor '${name}' are not two numbers`);
  const [begin, end] = offsets;
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || end < begin) {
    throw damaged(`the data_offsets of tensor '${name}' are not possible: [${begin}, ${end}]`);
  }
  if (end - begin !== count * ELEMENT_BYTES[dtype]) {
    throw damaged(
      `tensor '${name}' has ${end - begin} bytes, but ${dtype} [${shape.join(', ')}] takes ${count * ELEMENT_BYTES[dtype]}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function checkLayout(entries: readonly Entry[], dataBytes: number, damaged: Damaged): void {
  let at = 0;
  for (const entry of entries) {
    if (entry.begin !== at) {
      throw damaged(
        at,
        `tensor '${entry.name}' ${entry.begin < at ? 'overlaps the one before it' : 'leaves a gap before it'}`,
      );
    }
    if (entry.end > dataBytes) throw damaged(dataBytes, `the file ends inside tensor '${entry.name}'`);
    at = entry.end;
  }
  if (at !== dataBytes) throw damaged(at, `${dataBytes - at} bytes follow the last tensor`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(entry => typeof entry === 'number');
}
