"""What every page of the book shares."""

from sercore.page.display import (
    METRICS,
    check_utterances,
    find_file,
    format_arm,
    format_origin,
    glue,
    is_here,
    measure_table,
    record_table,
    show_audio,
    show_banner,
    show_figure,
    show_gains,
    show_players,
    show_provenance,
    show_table,
    stack,
    tables_root,
)
from sercore.page.published import read_loso, read_number, read_open, read_paper, read_peers
from sercore.page.style import ACCENT, INK, MARKERS, PALE, set_style
