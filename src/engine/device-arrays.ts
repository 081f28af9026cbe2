/** What is done to arrays on a GPU outside of programs, in WGSL. */
import { type ArrayOperations, CLIP_EPSILON, type Clipping } from '../math/graph/arrays.js';
import { deviceError } from './backend.js';
import type { Device } from './device.js';
import type { Heap } from './heap.js';
import { MAX_GROUPS, PRELUDE } from './wgsl.js';

/** Threads of a workgroup. */
const THREADS = 256;
/** Elements of a gradient that a workgroup adds. */
const PART = 4096;

/** What limiting the norm of a gradient runs, and the numbers that it results in. */
export const CLIP_DISPATCHES = 2;
export const CLIP_NUMBERS = 2;

/** The largest float32: a limit that clips nothing. */
const NO_LIMIT = 3.4028234663852886e38;

function shader(body: string, globals = ''): string {
  return `${PRELUDE}${globals}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = i32((group.y * ${MAX_GROUPS}u + group.x) * ${THREADS}u + lane);
${body}
}
`;
}

/** A record: the array that is written, the number of threads, and what else `body` reads. */
function elementwise(body: string): string {
  return shader(`
  let into = element(0);
  if (i >= word(1)) { return; }
  ${body}`);
}

const FILL = elementwise('heap[into + i] = bitcast<f32>(word(2));');
const COPY = elementwise('heap[into + i] = heap[element(2) + i];');
const ADD = elementwise('heap[into + i] += heap[element(2) + i];');
const APPROACH = elementwise(
  'heap[into + i] += bitcast<f32>(word(3)) * (heap[element(2) + i] - heap[into + i]);',
);
/** A thread adds a column of all rows, so in their order. */
const ADD_ROWS = elementwise(`
  let width = word(1);
  for (var row = 0; row < word(4); row++) {
    heap[into + i32(heap[element(3) + row]) * width + i] += heap[element(2) + row * width + i];
  }`);

const REDUCTIONS = `
var<workgroup> partial: array<f32, ${THREADS}>;
fn largest(lane: u32, value: f32) -> f32 {
  partial[lane] = value;
  for (var half = ${THREADS / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] = max(partial[lane], partial[lane + half]); }
  }
  let result = workgroupUniformLoad(&partial[0]);
  return result;
}
fn total(lane: u32, value: f32) -> f32 {
  partial[lane] = value;
  for (var half = ${THREADS / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  let result = workgroupUniformLoad(&partial[0]);
  return result;
}
/** What squares are divided by, so that they neither overflow nor vanish. */
fn unit(largest: f32) -> f32 { return select(1f, largest, largest > 0f); }
`;

/** For each part of a gradient, a unit and the sum of the squares in that unit. */
const SQUARES = shader(
  `
  let into = element(0);
  let values = element(1);
  let first = i32(group.x) * ${PART};
  let end = min(first + ${PART}, word(2));
  var most = 0f;
  for (var at = first + i32(lane); at < end; at += ${THREADS}) { most = max(most, abs(heap[values + at])); }
  let scale = unit(largest(lane, most));
  var sum = 0f;
  for (var at = first + i32(lane); at < end; at += ${THREADS}) {
    let value = heap[values + at] / scale;
    sum += value * value;
  }
  let all = total(lane, sum);
  if (lane == 0u) {
    heap[into + 2 * i32(group.x)] = scale;
    heap[into + 2 * i32(group.x) + 1] = all;
  }`,
  REDUCTIONS,
);

/** The norm from the parts, and the factor that limits it. */
const NORM = shader(
  `
  let into = element(0);
  let parts = element(1);
  var most = 0f;
  for (var at = i; at < word(2); at += ${THREADS}) { most = max(most, heap[parts + 2 * at]); }
  let scale = unit(largest(lane, most));
  var sum = 0f;
  for (var at = i; at < word(2); at += ${THREADS}) {
    let ratio = heap[parts + 2 * at] / scale;
    sum += ratio * ratio * heap[parts + 2 * at + 1];
  }
  let norm = scale * sqrt(total(lane, sum));
  if (lane == 0u) {
    heap[into] = norm;
    heap[into + 1] = min(1f, bitcast<f32>(word(3)) / (norm + ${CLIP_EPSILON}f));
  }`,
  REDUCTIONS,
);

export class DeviceArrays implements ArrayOperations<Float32Array> {
  /** The parts of the last gradient, and its norm and factor. */
  private parts: Float32Array | undefined;
  private readonly clipping: Float32Array;
  /** Written before each reading: if a driver refuses commands, all is as it was. */
  private readonly known: Float32Array;
  private reads = 0;

  constructor(
    private readonly device: Pick<Device, 'dispatch' | 'write' | 'read' | 'spanOf'>,
    private readonly allocate: (length: number) => Float32Array,
  ) {
    this.clipping = allocate(CLIP_NUMBERS);
    this.known = allocate(1);
  }

  write(...arrays: readonly Float32Array[]): void {
    this.device.write(arrays);
  }

  /** @throws UserError if the GPU does not compute */
  async read(...arrays: readonly Float32Array[]): Promise<void> {
    const { known } = this;
    const value = (this.reads++ % 1000) + 1;
    this.fill(known, value);
    await this.device.read([...arrays, known]);
    if (known[0] !== value) throw deviceError('wrong', 'the GPU returned a wrong result for a known kernel');
  }

  fill(into: Float32Array, value: number): void {
    this.run(FILL, into, into.length, bitsOf(value));
  }

  copy(values: Float32Array, into: Float32Array): void {
    this.run(COPY, into, values.length, this.at(values));
  }

  add(values: Float32Array, into: Float32Array): void {
    this.run(ADD, into, values.length, this.at(values));
  }

  addRows(rows: Float32Array, numbers: Float32Array, table: Float32Array): void {
    const width = rows.length / numbers.length;
    this.run(ADD_ROWS, table, width, this.at(rows), this.at(numbers), numbers.length);
  }

  approach(values: Float32Array, into: Float32Array, weight: number): void {
    this.run(APPROACH, into, values.length, this.at(values), bitsOf(weight));
  }

  clip(gradient: Float32Array, most = NO_LIMIT): Clipping<Float32Array> {
    const { device, clipping } = this;
    const count = Math.ceil(gradient.length / PART);
    if (this.parts?.length !== 2 * count) this.parts = this.allocate(2 * count);
    const parts = this.at(this.parts);
    device.dispatch(SQUARES, [parts, this.at(gradient), gradient.length], [count]);
    device.dispatch(NORM, [this.at(clipping), parts, count, bitsOf(most)], [1]);
    return { norm: () => clipping[0], scale: clipping.subarray(1), values: [clipping] };
  }

  private run(source: string, into: Float32Array, threads: number, ...operands: number[]): void {
    if (threads === 0) return;
    const groups = Math.ceil(threads / THREADS);
    const grid = [Math.min(groups, MAX_GROUPS), Math.ceil(groups / MAX_GROUPS)] as const;
    this.device.dispatch(source, [this.at(into), threads, ...operands], grid);
  }

  private at(array: Float32Array): number {
    return this.device.spanOf(array).at;
  }
}

/** Those of a device that is not there. */
export class RehearsedArrays extends DeviceArrays {
  constructor(heap: Heap) {
    const spanOf = (array: Float32Array) => heap.spanOf(array)!;
    const device = { dispatch: () => {}, write: () => {}, read: async () => {}, spanOf };
    super(device, length => heap.allocate(length));
  }

  override async read(): Promise<void> {}
}

function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0];
}
