/** The code of one tile: the kernel's instructions, each written once for every row and vector along which it varies. */
import type { Arithmetic } from './arithmetic.js';
import type { FunctionAssembler } from './assembler.js';
import { type Affine, forEachValue, type Instruction, type KernelIr, type Value } from './ir.js';
import type { Pack } from './pack.js';
import { type Origin, Pointers } from './pointers.js';
import { LANES, type Tile } from './tile.js';
import { Values } from './values.js';

/**
 * Results closer to zero than this are stored as zero. Arithmetic on subnormal numbers is up to a hundred times slower, and
 * gradients that vanish over hundreds of steps are full of them; WebAssembly cannot be told to flush them as GPUs do. A
 * margin above the smallest normal number keeps the products of such results with ordinary numbers normal too.
 */
export const SMALLEST_RESULT = 2 ** -100;

const FLOAT_BYTES = 4;
const VECTOR_BYTES = LANES * FLOAT_BYTES;

export class TileCode {
  private readonly pointers: Pointers;
  private readonly values: Values;
  private readonly stored: number;

  /** `lanes` of the last vector are part of the output; `packs` have been copied for this column of tiles. */
  constructor(
    private readonly f: FunctionAssembler,
    private readonly ir: KernelIr,
    arithmetic: Arithmetic,
    origin: Origin,
    private readonly tile: Tile,
    private readonly lanes: number,
    packs: readonly Pack[],
  ) {
    this.pointers = new Pointers(f, ir, origin);
    this.values = new Values(f, ir, arithmetic, this.pointers, tile, lanes, packs);
    this.stored = f.local('v128');
  }

  /** Computes the tile and stores it in the output at byte `outputOffset`. */
  emit(outputOffset: number): void {
    const { extents, body, result } = this.ir;
    const output: Affine = {
      constant: 0,
      terms: new Map([
        ['x', 1],
        ['y', extents.x],
        ['z', extents.x * extents.y],
      ]),
    };
    this.pointers.enterTile([output, ...this.elements(body), ...this.values.elementsOf(result)]);
    this.instructions(body);
    this.values.prefetch(result, { x: true, y: true });
    const pointer = this.pointers.of(output);
    for (const place of this.values.places({ x: true, y: true })) {
      const offset = outputOffset + place.row * extents.x * FLOAT_BYTES + place.vector * VECTOR_BYTES;
      this.values.emit(result, place);
      this.store(pointer, offset, place.vector === this.tile.vectors - 1 ? this.lanes : LANES);
    }
  }

  /** Leaves the address on the stack that `element` has at the tile's origin and before all loops. */
  originOf(element: Affine): void {
    this.pointers.originOf(element);
  }

  /** Stores `lanes` of the vector on the stack. */
  private store(pointer: number, offset: number, lanes: number): void {
    const { f, stored } = this;
    f.tee(stored)
      .get(stored)
      .op('f32x4.abs')
      .float(SMALLEST_RESULT)
      .op('f32x4.lt')
      .op('v128.andnot')
      .set(stored);
    if (lanes === LANES) {
      f.get(pointer).get(stored).memory('v128.store', offset);
      return;
    }
    for (let lane = 0; lane < lanes; lane++)
      f.get(pointer)
        .get(stored)
        .storeLane(lane, offset + lane * FLOAT_BYTES);
  }

  private instructions(instructions: readonly Instruction[]): void {
    for (const instruction of instructions) {
      if (instruction.kind === 'set') this.assign(instruction.local, instruction.value);
      else if (instruction.kind === 'loop') this.loop(instruction);
      else this.branch(instruction);
    }
  }

  private assign(local: number, value: Value): void {
    const varies = this.ir.locals[local];
    this.values.prefetch(value, varies);
    const targets = this.values.vectorsOf(local);
    for (let row = 0; row < targets.length; row++) {
      for (let vector = 0; vector < targets[row].length; vector++) {
        this.values.emit(value, { row, vector });
        this.f.set(targets[row][vector]);
      }
    }
  }

  private branch({ selector, cases, otherwise }: Extract<Instruction, { kind: 'branch' }>): void {
    for (const { numbers, body } of cases) {
      numbers.forEach((number, i) => {
        this.pointers.integer(selector);
        this.f.i32(selector.constant).op('i32.add').i32(number).op('i32.eq');
        if (i > 0) this.f.op('i32.or');
      });
      this.f.if();
      this.instructions(body);
      this.f.op('else');
    }
    this.instructions(otherwise);
    for (const _ of cases) this.f.op('end');
  }

  /** Not unrolled: measured, V8 then keeps fewer sums in registers. */
  private loop({ variable, from, to, body }: Extract<Instruction, { kind: 'loop' }>): void {
    if (to <= from) return;
    const { f, pointers } = this;
    const stepping = pointers.enterLoop(variable, from, this.elements(body));
    const counter = pointers.counter(variable);
    f.i32(from).set(counter);
    f.loop();
    this.instructions(body);
    for (const [pointer, bytes] of stepping) f.get(pointer).i32(bytes).op('i32.add').set(pointer);
    f.get(counter).i32(1).op('i32.add').tee(counter).i32(to).op('i32.lt_s').branchIf(0).op('end');
    pointers.leaveLoop(variable);
  }

  private elements(instructions: readonly Instruction[]): Affine[] {
    const found: Affine[] = [];
    forEachValue(instructions, value => found.push(...this.values.elementsOf(value)));
    return found;
  }
}
