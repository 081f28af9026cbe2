/**
 * Machine code of products: the part of a kernel up to its last loop, in tiles of sums that fill
 * the registers of AVX-512. Each element adds its products in the order of the loops and with the
 * same rounding as WebAssembly's code, so that the bytes are equal (`LinkedRuntime.agree`).
 *
 * The code is a function of two addresses: that of the heap, and that of 32-bit words, which are
 * the operands of the kernel, as `compileKernel` describes them.
 */
import { Addresses, FLOAT_BYTES, fits, SAVED, Unsuitable, WIDE, WIDE_BYTES } from './machine-addresses.js';
import { isKnown, MachineTile, TAIL } from './machine-tile.js';
import { type Instruction, type KernelIr, splitAfterSums, valuesOf } from './simd-ir.js';
import type { Parameter } from './simd-lower.js';
import { cutIntoPieces, type Pack, type Piece, packedArguments, planPacks } from './simd-tile.js';
import { Assembler, RAX } from './x86.js';

export interface MachineProduct {
  readonly bytes: Uint8Array;
  readonly spareBytes: number;
  readonly packed: readonly number[];
  /** What WebAssembly does afterwards to the sums in the output; absent if they are the result. */
  readonly finish: KernelIr | undefined;
}

/**
 * Sums of a tile, fewer if it needs registers for other values. Measured on Sapphire Rapids with 25
 * rows: two tiles of 13 or 12 rows and two vectors compute 170 to 210 GFLOP/s, five tiles of five
 * rows and four vectors 125 to 200, because they read the columns five times.
 */
const MOST_SUMS = [28, 24, 20, 16, 12, 8, 4, 1];
/** Vectors of a tile of several rows, and of the only row. */
const TILE_VECTORS = 2;
const ROW_VECTORS = 8;
/** Rows from which copies of what they share pay off. */
const PACKED_ROWS = 15;
/**
 * From this many tiles of rows on, if all that they share is at most this large, a row of tiles
 * follows another, so that the output is read and written in order: gradients of weights.
 */
const MANY_TILES = 8;
const SHARED_BYTES = 2 ** 19;
/** The second cache holds this much of what comes next beside what is computed with. */
const AHEAD_BYTES = 2 ** 19;

/** The code of the sums of `ir`; undefined if it has none, or others than sums of products. */
export function assembleProduct(ir: KernelIr, given: readonly Parameter[]): MachineProduct | undefined {
  const { sums, finish } = splitAfterSums(ir, values => !values.every(isKnown));
  if (!isProduct(sums)) return undefined;
  for (const most of MOST_SUMS) {
    try {
      return { ...new Product(sums, given, finish !== undefined, most).assemble(), finish };
    } catch (error) {
      if (!(error instanceof Unsuitable)) throw error;
    }
  }
  return undefined;
}

function isProduct({ body, result }: KernelIr): boolean {
  const loops = body.filter(instruction => instruction.kind === 'loop');
  const adds = valuesOf(loops, result).some(value => value.kind === 'multiply-add');
  return adds && body.every(isPlain) && valuesOf(body, result).every(isKnown);
}

function isPlain(instruction: Instruction): boolean {
  return instruction.kind === 'loop'
    ? instruction.to > instruction.from && instruction.body.every(isPlain)
    : instruction.kind === 'set';
}

class Product {
  private readonly x86 = new Assembler();
  private readonly addresses: Addresses;
  private readonly spareBytes: number;
  /** Of columns. */
  private readonly pieces: readonly Piece[];

  constructor(
    private readonly ir: KernelIr,
    private readonly given: readonly Parameter[],
    /** Whether another pass finishes the sums. */
    private readonly isRaw: boolean,
    private readonly mostSums: number,
  ) {
    const { x, y } = ir.extents;
    const vectors = Math.min(mostSums, y === 1 ? ROW_VECTORS : TILE_VECTORS);
    const size = vectors * WIDE;
    const whole = Math.floor(x / size) * size;
    this.pieces = [
      { from: 0, to: whole, size },
      { from: whole, to: x, size: x - whole },
    ].filter(({ from, to }) => to > from);
    const { packs, bytes } = planPacks(ir, { minRows: PACKED_ROWS, vectors, lanes: WIDE });
    this.spareBytes = bytes;
    this.addresses = new Addresses(this.x86, given, packs);
  }

  assemble(): Omit<MachineProduct, 'finish'> {
    const { x86, addresses, pieces } = this;
    const { x, z } = this.ir.extents;
    for (const register of SAVED) x86.push(register);
    if (x % WIDE !== 0) {
      x86.set(RAX, 2 ** (x % WIDE) - 1);
      x86.maskFromEax(TAIL);
    }
    this.makeCopies();
    addresses.over('z', cutIntoPieces(z, 1), () => {
      if (this.isByRows)
        addresses.over('y', this.rowPieces(pieces[0].size), rows =>
          addresses.over('x', pieces, columns => this.emitTile(rows, columns)),
        );
      else
        addresses.over('x', pieces, columns => {
          this.startAhead(vectorsOf(columns));
          addresses.over('y', this.rowPieces(columns), rows => this.emitTile(rows, columns));
        });
    });
    for (const register of [...SAVED].reverse()) x86.pop(register);
    x86.return();
    const packed = packedArguments(addresses.packs, this.given);
    return { bytes: x86.bytes, spareBytes: this.spareBytes, packed };
  }

  private emitTile(rows: number, columns: number): void {
    const vectors = vectorsOf(columns);
    const tile = { rows, vectors, lanes: columns - (vectors - 1) * WIDE };
    const { isByRows } = this;
    const linesAhead = this.isAhead(vectors) ? Math.ceil(vectors / this.rowTiles(columns)) : 0;
    const order = { isByRows, linesAhead };
    new MachineTile(this.x86, this.ir, this.addresses, tile, order, this.isRaw).emit();
  }

  private rowPieces(columns: number): Piece[] {
    return cutIntoPieces(this.ir.extents.y, this.mostRows(vectorsOf(columns)));
  }

  private rowTiles(columns: number): number {
    return Math.ceil(this.ir.extents.y / this.mostRows(vectorsOf(columns)));
  }

  private mostRows(vectors: number): number {
    return Math.max(1, Math.floor(this.mostSums / vectors));
  }

  /** Whether tiles follow one another along x, not along y. */
  private get isByRows(): boolean {
    const { body, extents } = this.ir;
    const loops = body.filter(instruction => instruction.kind === 'loop');
    const isFlat = loops.every(loop => loop.body.every(instruction => instruction.kind === 'set'));
    const rounds = loops.reduce((sum, { from, to }) => sum + to - from, 0);
    const isSmall = rounds * extents.x * FLOAT_BYTES <= SHARED_BYTES;
    return isFlat && isSmall && this.rowTiles(this.pieces[0].size) >= MANY_TILES;
  }

  /** Whether tiles prefetch what the next column of tiles reads of copies. */
  private isAhead(vectors: number): boolean {
    const { packs } = this.addresses;
    return !this.isByRows && packs.every(pack => panelBytes(pack, vectors) <= AHEAD_BYTES);
  }

  private startAhead(vectors: number): void {
    const { x86, addresses } = this;
    if (!this.isAhead(vectors)) return;
    for (const pack of addresses.packs) {
      const copy = addresses.copy(pack, vectors);
      addresses.withPointer(pointer => {
        addresses.compute(pointer, copy);
        x86.addConstant(pointer, fits(copy.bytes + panelBytes(pack, vectors)));
        x86.store64(addresses.nextIn(pack), pointer);
      });
    }
  }

  /** Copies what is packed, if the operands say so; see `planPacks`. */
  private makeCopies(): void {
    const { x86, addresses, pieces } = this;
    if (addresses.packs.length === 0) return;
    const end = x86.label();
    x86.load32(RAX, addresses.isPacking);
    x86.compare(RAX, 0);
    x86.jumpIfZero(end);
    for (const pack of addresses.packs) {
      addresses.over('z', cutIntoPieces(pack.depth, 1), () =>
        addresses.over('x', pieces, columns => this.copy(pack, vectorsOf(columns))),
      );
    }
    x86.here(end);
  }

  private copy(pack: Pack, vectors: number): void {
    const { x86, addresses } = this;
    const source = addresses.original(pack.load);
    const copy = addresses.copy(pack, vectors);
    addresses.withPointer(to => {
      addresses.compute(to, copy);
      const nest = ([loop, ...inner]: Pack['loops']): void => {
        if (inner.length > 0) addresses.loop(loop, () => nest(inner));
        else
          addresses.within([source], () =>
            addresses.count(loop.to, () => {
              for (let vector = 0; vector < vectors; vector++) {
                x86.loadVector(0, addresses.memory(source, { row: 0, vector }));
                x86.storeVector({ base: to, offset: fits(copy.bytes + vector * WIDE_BYTES) }, 0);
              }
              for (const [pointer, step] of addresses.moving([source], loop.variable))
                x86.addConstant(pointer, step);
              x86.addConstant(to, vectors * WIDE_BYTES);
            }),
          );
      };
      nest(pack.loops);
    });
  }
}

function vectorsOf(columns: number): number {
  return Math.ceil(columns / WIDE);
}

/** The bytes of the copy of `pack` for a column of tiles. */
function panelBytes({ loops }: Pack, vectors: number): number {
  return loops.reduce((product, { to }) => product * to, vectors * WIDE_BYTES);
}
