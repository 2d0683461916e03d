"""What a JPEG XL stream says of its own size and channels.

ISO/IEC 18181-1, annex D (image header) and its notation: Bool, u(n), U32, Enum, in bits
from the lowest of each byte on; 18181-2 for the container of boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

from virtual_tiff.codecs.images.headers import Block, ImageHeader, boxes

__all__ = ["jpegxl_header"]

_HEADER_BYTES = 1 << 16
"""How much of a stream the image header may take: 4096 extra channels fit."""


def jpegxl_header(data: Block) -> ImageHeader | None:
    """Read JPEG XL's image header; None for an animation or an image with a preview."""
    stream = _codestream(data)
    if stream[:2] != b"\xff\x0a":
        return None
    try:
        return _image_header(_Bits(stream, 16))
    except EOFError:
        return None


def _codestream(data: Block) -> Block:
    """Return the codestream's beginning, of its own or in boxes `jxlc` or `jxlp`."""
    if data[4:8] != b"JXL ":
        return data[:_HEADER_BYTES]
    parts = b""
    for kind, start, end in boxes(data):
        if kind in (b"jxlc", b"jxlp"):
            begin = start + 4 * (kind == b"jxlp")  # behind the part's number
            parts += data[begin : min(end, begin + _HEADER_BYTES)]
        if len(parts) > _HEADER_BYTES:
            break
    return parts


@dataclass(slots=True)
class _Bits:
    """Numbers from a run of bits, the lowest of each byte first."""

    data: Block
    at: int

    def u(self, count: int) -> int:
        """Take a number of `count` bits."""
        start, shift = divmod(self.at, 8)
        self.at += count
        end = -(-self.at // 8)
        if end > len(self.data):
            raise EOFError
        return int.from_bytes(self.data[start:end], "little") >> shift & ((1 << count) - 1)

    def u32(self, *choices: tuple[int, int]) -> int:
        """Take one of four: two bits choose (offset, count of bits)."""
        offset, count = choices[self.u(2)]
        return offset + self.u(count)

    def enum(self) -> int:
        """Take a number that names something."""
        return self.u32((0, 0), (1, 0), (2, 4), (18, 6))


_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_ALPHA, _SPOT_COLOUR, _CFA = 0, 2, 5
_GRAY = 1


def _image_header(bits: _Bits) -> ImageHeader | None:
    rows, columns = _size(bits)
    extra: list[int] = []
    colours = 3
    if not bits.u(1):  # all_default: an image of three colours
        if bits.u(1):  # extra_fields
            if bits.u(3) >= 4:  # orientation: turned by a quarter when decoded
                rows, columns = columns, rows
            if bits.u(1):  # have_intr_size
                _size(bits)
            if bits.u(1) or bits.u(1):  # have_preview, have_animation
                return None
        _bit_depth(bits)
        bits.u(1)  # modular_16bit_buffers
        extra = [_extra_channel(bits) for _ in range(bits.u32((0, 0), (1, 0), (2, 4), (1, 12)))]
        bits.u(1)  # xyb_encoded
        if not bits.u(1):  # ColourEncoding's all_default: RGB
            bits.u(1)  # want_icc
            colours = 1 if bits.enum() == _GRAY else 3
    return _as_decoded(rows, columns, colours, extra)


def _as_decoded(rows: int, columns: int, colours: int, extra: list[int]) -> ImageHeader:
    """Return the samples as imagecodecs decodes them.

    An alpha goes with the colours, and then, or besides RGB, all other channels are left
    out; besides gray alone they make planes.
    """
    planar = colours == 1 and len(extra) > 0 and _ALPHA not in extra
    samples = colours + (len(extra) if planar else int(_ALPHA in extra))
    return ImageHeader(
        rows=rows,
        columns=columns,
        samples=samples,
        planar=planar,
        lost=colours + len(extra) - samples,
    )


def _size(bits: _Bits) -> tuple[int, int]:
    """Take a SizeHeader: rows and columns."""
    small = bits.u(1)
    rows = _length(bits, small)
    ratio = bits.u(3)
    if ratio == 0:
        return rows, _length(bits, small)
    numerator, denominator = _RATIOS[ratio - 1]
    return rows, rows * numerator // denominator


def _length(bits: _Bits, small: int) -> int:
    if small:
        return 8 * (1 + bits.u(5))
    return bits.u32((1, 9), (1, 13), (1, 18), (1, 30))


def _bit_depth(bits: _Bits) -> None:
    if bits.u(1):  # float_sample
        bits.u32((32, 0), (16, 0), (24, 0), (1, 6))
        bits.u(4)  # exp_bits
    else:
        bits.u32((8, 0), (10, 0), (12, 0), (1, 6))


def _extra_channel(bits: _Bits) -> int:
    """Take an ExtraChannelInfo: its type."""
    if bits.u(1):  # d_alpha: all default
        return _ALPHA
    kind = bits.enum()
    _bit_depth(bits)
    bits.u32((0, 0), (3, 0), (4, 0), (1, 3))  # dim_shift
    name = bits.u32((0, 0), (0, 4), (16, 5), (48, 10))
    bits.u(8 * name)
    if kind == _ALPHA:
        bits.u(1)  # alpha_associated
    elif kind == _SPOT_COLOUR:
        bits.u(64)
    elif kind == _CFA:
        bits.u32((1, 0), (0, 2), (3, 4), (19, 8))
    return kind
