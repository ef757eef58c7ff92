import dataclasses
import re

import pytest

from orchestrator.reporting.blocks import Block, Marked, Section
from orchestrator.reporting.latex import as_document, as_latex, escaped


def block(name="Hit@10", *, is_main=True):
    return Block(
        header=(name, "mean", "difference %", "d_z"),
        sections=(
            Section(rows=(("base", "0.1000 ± 0.0100", "-", "-"),)),
            Section(title="modality controls", rows=(("image_x", "0.05", "-50.0 ± 2.0", "∞"),)),
        ),
        is_main=is_main,
    )


def test_table_by_hand():
    assert as_latex([block()], caption="a_b: 95 % sure.", label="tab:a_b") == (
        r"""% \usepackage{booktabs}
\begin{table*}
\centering
\caption{a\_b: 95 \% sure.}
\label{tab:a_b}
\footnotesize
\setlength{\tabcolsep}{3pt}
\begin{tabular}{p{0.18\textwidth}rrr}
\toprule
\raggedright Hit@10 & mean & difference \% & $d_z$ \\
\midrule
\raggedright base & 0.1000 $\pm$ 0.0100 & - & - \\
\midrule
\multicolumn{4}{l}{\emph{modality controls}} \\
\raggedright image\_x & 0.05 & $-$50.0 $\pm$ 2.0 & $\infty$ \\
\bottomrule
\end{tabular}
\end{table*}
"""
    )


def test_main_tables_share_a_float_and_others_have_their_own():
    blocks = [block(), block("Hit@10, retuned", is_main=False), block("NDCG@10")]
    floats = as_latex(blocks, caption="c", label="tab:x").split(r"\begin{table*}")[1:]
    assert [text.count(r"\begin{tabular}") for text in floats] == [2, 1]
    assert r"\caption{Hit@10, retuned; see Table~\ref{tab:x}.}" in floats[1]
    assert r"\label{tab:x-2}" in floats[1]


def rows_of(text):
    return [line for line in text.splitlines() if line.startswith(r"\raggedright row")]


def test_long_tables_come_in_parts_that_fit_a_page_and_lose_no_row():
    rows = tuple((f"row {place}", "1", "2", "3") for place in range(50))
    long = Block(header=("Hit@10", "a", "b", "c"), sections=(Section(rows=rows),))
    text = as_latex([long, block("NDCG@10")], caption="c", label="l")
    floats = text.split(r"\begin{table*}")[1:]
    assert [len(rows_of(part)) for part in floats] == [20, 20, 10]
    assert "NDCG@10" in floats[-1]  # with 2 rows more it fits beside the last part
    assert rows_of(text) == [rf"\raggedright row {place} & 1 & 2 & 3 \\" for place in range(50)]


def test_environments_and_rules_are_balanced():
    text = as_latex([block(), block()], caption="c", label="l")
    begun, ended = (re.findall(rf"\\{word}{{(\S+?)}}", text) for word in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2
    rows = [line for line in text.splitlines() if "&" in line]
    assert all(line.count(" & ") == 3 and line.endswith(r" \\") for line in rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 5 % of $3 #1 {x}", r"a\_b \& 5 \% of \$3 \#1 \{x\}"),
        ("~^\\", r"\textasciitilde{}\textasciicircum{}\textbackslash{}"),
        ("p < 0.05 ± 2 | x > 1", r"p $<$ 0.05 $\pm$ 2 $|$ x $>$ 1"),
    ],
)
def test_nothing_of_a_text_is_taken_for_a_command(text, expected):
    assert escaped(text) == expected


def test_the_best_is_bold_and_the_second_underlined():
    rows = (("a", Marked("0.5 ± 0.1", "best"), Marked("-0.4", "second"), "+1.0†"),)
    text = as_latex(
        [Block(header=("", "x", "y", "z"), sections=(Section(rows=rows),))], caption="c", label="l"
    )
    row = next(line for line in text.splitlines() if "textbf" in line)
    assert r"\textbf{0.5 $\pm$ 0.1} & \underline{$-$0.4} & +1.0$^{\dagger}$ \\" in row


def test_a_caption_of_its_own_goes_before_the_first_cell():
    aside = dataclasses.replace(block("x", is_main=False), caption="What it cost")
    text = as_latex([block(), aside], caption="c", label="tab:x")
    assert r"\caption{What it cost; see Table~\ref{tab:x}.}" in text


def test_a_document_holds_the_floats_and_the_package_they_need():
    floats = as_latex([block()], caption="c", label="l")
    document = as_document(floats)
    assert document.startswith(r"\documentclass")
    assert r"\usepackage{booktabs}" in document.split(r"\begin{document}")[0]
    assert floats.strip() in document
    assert document.endswith("\\end{document}\n")
