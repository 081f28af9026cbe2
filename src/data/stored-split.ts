/** Sequences that stay on disk. Each consists of byte ranges of files, which are read on access. */
import { IGNORED, type Split, type Targets } from './dataset.js';
import { packedSplit, selectTargets, writeSteps } from './packed.js';
import type { ByteRange, RangedFile } from './reading/ranged-file.js';
import { RowValues, type Values } from './values.js';

/** A byte range of a file. */
export interface Place extends ByteRange {
  readonly file: RangedFile;
}

/** Layout of sequences in files. */
export interface SequenceStore {
  /** N. */
  readonly count: number;
  /** T. */
  readonly steps: number;
  /** F; 1 if a step is a symbol. */
  readonly inputSize: number;
  /** `[N]`; absent if every sequence has T steps. */
  readonly lengths?: Int32Array | undefined;
  /** Byte ranges of sequence `index`. */
  places(index: number): readonly Place[];
  /**
   * Writes a sequence into `features` (`[length, F]`) and, if there is one class per step, its
   * classes into `classes` (`[T]`, filled with IGNORED by the caller).
   * @param parts the bytes of its byte ranges
   */
  decode(
    index: number,
    parts: readonly Buffer[],
    features: Float32Array,
    classes: Int32Array | undefined,
  ): void;
}

/**
 * @param targets targets of all sequences, in memory; or the number of classes, if the store
 *   decodes one class per step
 */
export function storedSplit(store: SequenceStore, targets: Targets | { readonly numClasses: number }): Split {
  const { count, steps, inputSize, lengths } = store;
  const lengthOf = (index: number): number => lengths?.[index] ?? steps;
  const inMemory = 'kind' in targets ? targets : undefined;
  const stepClasses = (values: Values<Int32Array>): Targets => ({
    kind: 'class',
    numClasses: 'numClasses' in targets ? targets.numClasses : 0,
    values,
    perStep: true,
  });
  const current = new Current(store, inMemory === undefined);
  const onDisk = new RowValues(
    count,
    steps,
    length => new Int32Array(length),
    index => current.read(index).classes,
  );
  return {
    count,
    targets: inMemory ?? stepClasses(onDisk),
    ...(lengths && { lengths }),
    read(index, out, offset, stepStride) {
      const { features } = current.read(index);
      writeSteps(features.subarray(0, lengthOf(index) * inputSize), { inputSize, steps }, out, {
        offset,
        stepStride,
      });
    },
    async load(indices) {
      const parts = await loadParts(store, indices);
      const own = Int32Array.from(indices, lengthOf);
      const starts = new Uint32Array(indices.length);
      for (let i = 1; i < starts.length; i++) starts[i] = starts[i - 1] + own[i - 1];
      const features = new Float32Array(inputSize * own.reduce((sum, length) => sum + length, 0));
      const values = inMemory ? undefined : new Int32Array(indices.length * steps).fill(IGNORED);
      indices.forEach((index, i) => {
        const from = starts[i] * inputSize;
        const to = from + own[i] * inputSize;
        const classes = values?.subarray(i * steps, (i + 1) * steps);
        store.decode(index, parts[i], features.subarray(from, to), classes);
      });
      const loaded = values ? stepClasses(values) : selectTargets(inMemory as Targets, indices, steps);
      const split = packedSplit({ features, inputSize, starts, lengths: own, targets: loaded }, steps);
      // variable length is a property of the whole split
      return lengths ? { ...split, lengths: own } : split;
    },
  };
}

/** Caches the sequence read last, since its targets are read after its features. */
class Current {
  private index = -1;
  private readonly features: Float32Array;
  private readonly classes: Int32Array;

  constructor(
    private readonly store: SequenceStore,
    private readonly hasClasses: boolean,
  ) {
    this.features = new Float32Array(store.steps * store.inputSize);
    this.classes = new Int32Array(hasClasses ? store.steps : 0);
  }

  read(index: number): { readonly features: Float32Array; readonly classes: Int32Array } {
    const { store, features, classes } = this;
    if (index !== this.index) {
      this.index = -1;
      const parts = store.places(index).map(({ file, ...bytes }) => file.readNow(bytes));
      const length = store.lengths?.[index] ?? store.steps;
      classes.fill(IGNORED);
      store.decode(
        index,
        parts,
        features.subarray(0, length * store.inputSize),
        this.hasClasses ? classes : undefined,
      );
      this.index = index;
    }
    return { features, classes };
  }
}

/** Reads the byte ranges of the sequences `indices`, with one batched read per file. */
async function loadParts(store: SequenceStore, indices: Uint32Array): Promise<Buffer[][]> {
  const places = Array.from(indices, index => store.places(index));
  const byFile = new Map<RangedFile, { readonly sequence: number; readonly part: number }[]>();
  places.forEach((parts, sequence) => {
    parts.forEach(({ file }, part) => {
      const found = byFile.get(file);
      if (found) found.push({ sequence, part });
      else byFile.set(file, [{ sequence, part }]);
    });
  });
  const loaded = places.map(parts => new Array<Buffer>(parts.length));
  await Promise.all(
    [...byFile].map(async ([file, wanted]) => {
      const bytes = await file.read(wanted.map(({ sequence, part }) => places[sequence][part]));
      wanted.forEach(({ sequence, part }, i) => {
        loaded[sequence][part] = bytes[i];
      });
    }),
  );
  return loaded;
}
