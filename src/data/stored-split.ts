/**
 * Sequences that stay on the disk: each is some byte ranges of files, which are read when the
 * sequence is.
 */
import { IGNORED, type Split, type Targets } from './dataset.js';
import { packedSplit, selectTargets, writeSteps } from './packed.js';
import type { ByteRange, RangedFile } from './reading/ranged-file.js';
import { RowValues, type Values } from './values.js';

/** Bytes of a file. */
export interface Place extends ByteRange {
  readonly file: RangedFile;
}

/** How sequences lie in files. */
export interface SequenceStore {
  /** N. */
  readonly count: number;
  /** T. */
  readonly steps: number;
  /** F; 1 if a step is a symbol. */
  readonly inputSize: number;
  /** `[N]`; absent if every sequence has all T steps. */
  readonly lengths?: Int32Array | undefined;
  /** Where the bytes of sequence `index` lie. */
  places(index: number): readonly Place[];
  /**
   * Writes a sequence into `features` (`[length, F]`), and the classes of its steps into `classes`
   * (`[T]`, all ignored before), if each step has a class.
   * @param parts the bytes of its places
   */
  decode(
    index: number,
    parts: readonly Buffer[],
    features: Float32Array,
    classes: Int32Array | undefined,
  ): void;
}

/**
 * @param targets of all sequences, which lie in memory; or how many classes there are, if each step
 * has the class that the store decodes
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
      // whether sequences differ in length is a fact of the whole split
      return lengths ? { ...split, lengths: own } : split;
    },
  };
}

/** The sequence that was read last: its targets are asked for after its features. */
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

/** The parts of each of the sequences `indices`, each file read at once. */
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
