/** Matrices of spectral features: from power to mel bands, and from their logarithms to cepstra. */

/** How frequencies in hertz become mels, and back. */
interface MelScale {
  toMel(hertz: number): number;
  toHertz(mel: number): number;
}

/** In hertz: below it, the scale of Slaney is linear. */
const BREAK = 1000;
const LINEAR = 200 / 3;
const LOG_STEP = Math.log(6.4) / 27;

export const MEL_SCALES = {
  /** O'Shaughnessy (1987), as in HTK. */
  htk: {
    toMel: hertz => 2595 * Math.log10(1 + hertz / 700),
    toHertz: mel => 700 * (10 ** (mel / 2595) - 1),
  },
  /** Slaney's Auditory Toolbox (1998). */
  slaney: {
    toMel: hertz => (hertz < BREAK ? hertz / LINEAR : BREAK / LINEAR + Math.log(hertz / BREAK) / LOG_STEP),
    toHertz: mel =>
      mel < BREAK / LINEAR ? mel * LINEAR : BREAK * Math.exp(LOG_STEP * (mel - BREAK / LINEAR)),
  },
} as const satisfies Record<string, MelScale>;

/** The weights of a band: those of bins `first`, `first + 1`, …; it has no others. */
export interface Band {
  readonly first: number;
  readonly weights: Float64Array;
  /** Frequency of its largest weight, in hertz. */
  readonly centre: number;
}

export interface MelForm {
  readonly rate: number;
  readonly fftSize: number;
  readonly bands: number;
  /** In hertz. */
  readonly from: number;
  readonly to: number;
  readonly scale: keyof typeof MEL_SCALES;
}

/**
 * Triangles at equal distances on the mel scale, each 1 at its centre and 0 at those of its
 * neighbours, as by `melscale_fbanks(norm=None)` of torchaudio. That places the last bin at half of
 * the rate, rounded down: at an odd rate, bins are up to 0.5 Hz below their frequencies.
 */
export function melBands({ rate, fftSize, bands, from, to, scale }: MelForm): Band[] {
  const { toMel, toHertz } = MEL_SCALES[scale];
  const [low, high] = [toMel(from), toMel(to)];
  const edges = Array.from({ length: bands + 2 }, (_, i) => toHertz(low + ((high - low) * i) / (bands + 1)));
  const last = Math.floor(rate / 2);
  const bins = Array.from({ length: fftSize / 2 + 1 }, (_, bin) => (bin * last) / (fftSize / 2));
  return Array.from({ length: bands }, (_, band) => {
    const [left, centre, right] = edges.slice(band, band + 3);
    const weightOf = (hertz: number): number =>
      Math.max(0, Math.min((hertz - left) / (centre - left), (right - hertz) / (right - centre)));
    const first = Math.max(
      0,
      bins.findIndex(hertz => weightOf(hertz) > 0),
    );
    const weights = bins.slice(first).map(weightOf);
    const end = weights.indexOf(0);
    return { first, weights: Float64Array.from(end < 0 ? weights : weights.slice(0, end)), centre };
  });
}

/**
 * The orthonormal DCT-II `[coefficients][bands]`: c_k = s_k sum_n cos(pi k (n + 1/2) / N) x_n with
 * s_0 = sqrt(1 / N) and s_k = sqrt(2 / N), times the lifter 1 + L/2 sin(pi k / L) of HTK.
 * @param lifter L; 0: none
 */
export function cepstralRows(coefficients: number, bands: number, lifter: number): Float64Array[] {
  return Array.from({ length: coefficients }, (_, k) => {
    const norm = Math.sqrt((k === 0 ? 1 : 2) / bands);
    const lift = lifter === 0 ? 1 : 1 + (lifter / 2) * Math.sin((Math.PI * k) / lifter);
    return Float64Array.from(
      { length: bands },
      (_, n) => lift * norm * Math.cos((Math.PI * k * (n + 0.5)) / bands),
    );
  });
}
