/** Power spectra of frames. */
import FFT from 'fft.js';

/**
 * Returns the function from a frame of `size` samples, a power of two of at least 4, to |FFT|² at
 * its first `size` / 2 + 1 frequencies, valid until the next call. The FFT of half the size has the
 * samples at even places as real and those at odd places as imaginary parts, which takes half the
 * time:
 *
 *     X_k = (Z_k + Z*_(N/2 - k)) / 2 - i e^(-2 pi i k / N) (Z_k - Z*_(N/2 - k)) / 2
 */
export function powerSpectrum(size: number): (frame: number[]) => Float64Array {
  const half = size / 2;
  const fft = new FFT(half);
  const z: number[] = fft.createComplexArray();
  const angles = Array.from({ length: half + 1 }, (_, k) => (2 * Math.PI * k) / size);
  const [cosines, sines] = [Math.cos, Math.sin].map(of => Float64Array.from(angles, of));
  const power = new Float64Array(half + 1);
  return frame => {
    fft.transform(z, frame);
    for (let k = 0; k <= half; k++) {
      const at = 2 * (k % half);
      const mirrored = 2 * ((half - k) % half);
      const evenReal = (z[at] + z[mirrored]) / 2;
      const evenImaginary = (z[at + 1] - z[mirrored + 1]) / 2;
      const oddReal = (z[at + 1] + z[mirrored + 1]) / 2;
      const oddImaginary = (z[mirrored] - z[at]) / 2;
      const real = evenReal + cosines[k] * oddReal + sines[k] * oddImaginary;
      const imaginary = evenImaginary + cosines[k] * oddImaginary - sines[k] * oddReal;
      power[k] = real * real + imaginary * imaginary;
    }
    return power;
  };
}
