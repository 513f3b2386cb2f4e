"""Who says what the claims say: papers where a claim comes from, else pages where it is repeated.

Each was read for the words that make the claim. A lesson's claims take theirs from here, as many say several things.
"""

from dataclasses import dataclass, replace

from nonlin.activations import ACTIVATIONS, Paper
from nonlin.activations.vectors import DAUPHIN as _GATED_CONVOLUTIONS
from nonlin.activations.vectors import SHAZEER as _GATED_TRANSFORMER


@dataclass(frozen=True, kw_only=True)
class Source(Paper):
    """A place where a claim is made.

    Args:
        authors: or the site, for a page that names none.
        year: None for a page without a date.
        title: of the paper, the page, or the thread.
        url: its address.
        parts: the letters of the parts that it makes, ``"a"``; empty for the whole claim.
    """

    year: int | None = None
    parts: str = ""

    def on(self, parts: str) -> "Source":
        """The same for some parts of a claim."""
        return replace(self, parts=parts)

    @property
    def signed(self) -> str:
        """The authors, with the year if there is one."""
        return super().signed if self.year else self.authors

    @property
    def of(self) -> str:
        """Of which parts of a claim it is the source: " (a)"; empty for the whole claim."""
        return f" ({', '.join(self.parts)})" if self.parts else ""

    def __str__(self) -> str:
        return super().__str__() + self.of


def _of(paper: Paper) -> Source:
    return Source(**vars(paper))


# Papers of the records.
CLEVERT, KLAMBAUER = (_of(ACTIVATIONS[name].paper) for name in ("elu", "selu"))
HE = _of(ACTIVATIONS["prelu"].paper)
RAMACHANDRAN, SITZMANN, SO = (_of(ACTIVATIONS[name].paper) for name in ("swish", "sine", "squared_relu"))
XU = _of(ACTIVATIONS["rrelu"].paper)
DAUPHIN, SHAZEER = _of(_GATED_CONVOLUTIONS), _of(_GATED_TRANSFORMER)

# Other papers and books.
CYBENKO = Source(
    authors="Cybenko",
    year=1989,
    title="Approximation by superpositions of a sigmoidal function",
    url="https://doi.org/10.1007/BF02551274",
)
GANS_IN_ACTION = Source(
    authors="Langr and Bok",
    year=2019,
    title="GANs in action: Deep learning with generative adversarial networks",
    url="https://www.manning.com/books/gans-in-action",
)
GLOROT = Source(
    authors="Glorot, Bordes and Bengio",
    year=2011,
    title="Deep sparse rectifier neural networks",
    url="https://proceedings.mlr.press/v15/glorot11a.html",
)
GUO = Source(
    authors="Guo, Pleiss, Sun and Weinberger",
    year=2017,
    title="On calibration of modern neural networks",
    url="https://arxiv.org/abs/1706.04599",
)
KUCHAIEV = Source(
    authors="Kuchaiev and Ginsburg",
    year=2017,
    title="Training deep autoencoders for collaborative filtering",
    url="https://arxiv.org/abs/1708.01715",
)
LI = Source(
    authors="Li, You, Bhojanapalli and others",
    year=2022,
    title="The lazy neuron phenomenon: On emergence of activation sparsity in transformers",
    url="https://arxiv.org/abs/2210.06313",
)
MIRZADEH = Source(
    authors="Mirzadeh, Alizadeh, Mehta and others",
    year=2023,
    title="ReLU strikes back: Exploiting activation sparsity in large language models",
    url="https://arxiv.org/abs/2310.04564",
)
MOLLIFIED = Source(
    authors="a submission to OpenReview",
    title="Reshaping activation functions: A framework for activation function optimization based on mollification "
    "theory",
    url="https://openreview.net/forum?id=BaYELDYvC1",
)
MONTUFAR = Source(
    authors="Montúfar, Pascanu, Cho and Bengio",
    year=2014,
    title="On the number of linear regions of deep neural networks",
    url="https://papers.neurips.cc/paper/2014/hash/109d2dd3608f669ca17920c511c2a41e-Abstract.html",
)
MULLER = Source(
    authors="Müller, Kornblith and Hinton",
    year=2019,
    title="When does label smoothing help?",
    url="https://arxiv.org/abs/1906.02629",
)
RASCHKA = Source(
    authors="Raschka and Mirjalili",
    year=2017,
    title="Python machine learning, second edition: Choosing activation functions for multilayer networks",
    url="https://packtpub.com/en-kr/product/python-machine-learning-second-edition-second-edition-9781787125933/"
    "chapter/13-parallelizing-neural-network-training-with-tensorflow-13/"
    "section/choosing-activation-functions-for-multilayer-networks-ch13lvl1sec88",
)
STINCHCOMBE = Source(
    authors="Stinchcombe and White",
    year=1989,
    title="Universal approximation using feedforward networks with non-sigmoid hidden layer activation functions",
    url="https://paperexplained.cn/articles/paper/detail/ee7f0bc85b339d781c2e0c7e6db8e339b6b9fec2",
)
TANCIK = Source(
    authors="Tancik, Srinivasan, Mildenhall and others",
    year=2020,
    title="Fourier features let networks learn high frequency functions in low dimensional domains",
    url="https://bmild.github.io/fourfeat/",
)
VASWANI = Source(
    authors="Vaswani, Shazeer, Parmar and others",
    year=2017,
    title="Attention is all you need",
    url="https://arxiv.org/abs/1706.03762",
)
XIE = Source(
    authors="Xie, Tan, Gong, Yuille and Le",
    year=2020,
    title="Smooth adversarial training",
    url="https://arxiv.org/abs/2006.14536",
)
ZHANG = Source(
    authors="Zhang, Zhang, Zhu and Mo",
    year=2026,
    title="Universal smoothness via Bernstein polynomials: A constructive approximation approach for activation "
    "functions",
    url="https://arxiv.org/abs/2605.02591",
)

# Documentation, courses, tutorials and threads.
AI_GLOSSARY = Source(authors="AI Adda", title="Dead neuron", url="https://aiadda.online/lexicon/dead-neuron")
ANDROIDKT = Source(
    authors="androidkt.com",
    title="What is the dying ReLU problem in neural networks?",
    url="https://androidkt.com/what-is-the-dying-relu-problem-in-neural-networks/",
)
BOARD_INFINITY = Source(
    authors="Board Infinity",
    title="How to choose a hidden layer activation function",
    url="https://discuss.boardinfinity.com/t/how-to-choose-a-hidden-layer-activation-function/9273",
)
BRENNDOERFER = Source(
    authors="Brenndoerfer",
    year=2025,
    title="FFN activation functions: ReLU, GELU, and SiLU for transformer models",
    url="https://mbrenndoerfer.com/writing/ffn-activation-functions",
)
CAFFENET = Source(
    authors="Mishkin",
    title="Caffenet benchmark: Batch normalization",
    url="https://github.com/ducha-aiki/caffenet-benchmark/blob/master/batchnorm.md",
)
CLICK4AI = Source(
    authors="Click4AI", title="GELU activation", url="https://click4ai.perfionixai.com/problems/gelu-activation"
)
CODEDIVE = Source(authors="codedive.in", title="Softmax", url="https://codedive.in/softmax")
CONCEPT_LAB = Source(
    authors="Concept Lab",
    title="Choosing activation functions",
    url="https://concept-lab.vercel.app/ml/adv-21-choosing-activation-functions",
)
CS231N = Source(
    authors="CS231n, Stanford",
    title="Course notes: Neural networks, part 1",
    url="https://cs231n.github.io/neural-networks-1/",
)
DATAREKHA = Source(
    authors="datarekha",
    title="Why does sigmoid saturation cause vanishing gradients, and why is tanh only a partial fix?",
    url="https://datarekha.com/interview/deep-learning/sigmoid-saturation-vanishing-gradients/",
)
DEEPLEARNING_AI = Source(
    authors="a forum of deeplearning.ai",
    title="Why more people used ReLU even though Leaky ReLU is better?",
    url="https://community.deeplearning.ai/t/why-more-people-used-relu-even-though-leaky-relu-is-better/85676",
)
ERRORHANDLE = Source(
    authors="errorhandle.ai", title="Why the 6 in relu6?", url="https://errorhandle.ai/why-the-6-in-relu6"
)
GANHACKS = Source(
    authors="Chintala, Denton, Arjovsky and Mathieu",
    title="How to train a GAN? Tips and tricks to make GANs work",
    url="https://github.com/soumith/ganhacks",
)
GOOGLE = Source(
    authors="Google",
    title="Machine learning crash course: Training using backpropagation",
    url="https://developers.google.com/machine-learning/crash-course/neural-networks/backpropagation",
)
GRAPH_MODE = Source(
    authors="Rao",
    year=2020,
    title="Tutorials of PyTorch: Graph mode dynamic quantization on BERT",
    url="https://docs.pytorch.org/tutorials/prototype/graph_mode_dynamic_bert_tutorial.html",
)
HCLTECH = Source(
    authors="HCLTech",
    title="Artificial neural networks for non-linear classification: XOR",
    url="https://www.hcltech.com/white-papers/artificial-neural-networks-non-linear-classification-xor",
)
IN_PLACE = Source(
    authors="a forum of PyTorch",
    title="What's the difference between nn.ReLU() and nn.ReLU(inplace=True)?",
    url="https://discuss.pytorch.org/t/whats-the-difference-between-nn-relu-and-nn-relu-inplace-true/948",
)
LEAKY_OR_NOT = Source(
    authors="AI Stack Exchange",
    year=2023,
    title="Why use ReLU over Leaky ReLU?",
    url="https://ai.stackexchange.com/questions/40576/why-use-relu-over-leaky-relu",
)
LOG_SOFTMAX = Source(
    authors="PyTorch",
    title="Documentation of torch.nn.functional.log_softmax",
    url="https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html",
)
LOLLOX1K = Source(
    authors="lollox1k",
    title="Machine learning notes: ReLU",
    url="https://lollox1k.github.io/Machine-Learning/Deep-Learning/ReLu",
)
MISH_ISSUE = Source(
    authors="Jocher",
    year=2019,
    title="PyTorch Mish - 1.5x slower training, 2.9X more memory usage vs LeakyReLU(0.1)",
    url="https://github.com/digantamisra98/Mish/issues/18",
)
NEURAL_BASE_SIGMOID = Source(
    authors="The Neural Base",
    title="Vanishing gradients: activation choice",
    url="https://theneuralbase.com/keras/learn/beginner/vanishing-gradients-activation-choice/",
)
NEURAL_BASE_SOFTMAX = Source(
    authors="The Neural Base",
    title="Softmax over scores",
    url="https://theneuralbase.com/llm-fundamentals/learn/intermediate/softmax-over-scores/",
)
PADDLE = Source(
    authors="PaddlePaddle",
    title="Documentation of paddle.nn.functional.hardswish",
    url="https://paddlepaddle.org.cn/documentation/docs/zh/api/paddle/nn/functional/hardswish_cn.html",
)
PASZKE = Source(
    authors="Paszke", year=2016, title="Adding inplace to PReLU", url="https://github.com/torch/nn/issues/787"
)
REBALANCED_SOFTMAX = Source(
    authors="codegenes.net",
    title="Class-rebalanced softmax in PyTorch",
    url="https://www.codegenes.net/blog/classrebalanced-softmax-pytorch",
)
RECURRENT = Source(
    authors="Blázquez",
    title="Machine learning basic projects, a notebook on recurrent networks",
    url="https://github.com/RubenBBlazquez/MachineLearningBasicProjects",
)
RELU6_BITS = Source(
    authors="Stack Overflow",
    title="Why the 6 in relu6?",
    url="https://stackoverflow.com/questions/47220595/why-the-6-in-relu6",
)
RUNEBOOK = Source(
    authors="runebook.dev",
    title="Understanding ReLU6 in PyTorch: Problems and modern solutions",
    url="https://runebook.dev/en/docs/pytorch/generated/torch.nn.relu6",
)
SATURATION = Source(
    authors="Digital AI Finance",
    title="Sigmoid saturation",
    url="https://digital-ai-finance.github.io/neural-networks/topics/07-sigmoid-saturation.html",
)
SELU_GAIN = Source(
    authors="a pull request to PyTorch",
    year=2021,
    title="Add SELU activation to calculate_gain",
    url="https://github.com/pytorch/pytorch/pull/50664",
)
SERP = Source(
    authors="serp.ai", title="ReLU6: A modified version of rectified linear unit", url="https://serp.ai/relu6/"
)
SIGMOID_ENDS = Source(
    authors="an issue of tt-metal",
    year=2026,
    title="ttnn.sigmoid_bw returns a zero gradient for x >= 6.25 (bf16) / 16.75 (fp32)",
    url="https://github.com/tenstorrent/tt-metal/issues/55724",
)
STABLE_SOFTMAX = Source(
    authors="StuddyCo",
    title="Log-space and stabilization patterns",
    url="https://studdyco.triangulo.cc/cards/444",
)
TANH_ENDS = Source(
    authors="a pull request to tt-metal",
    year=2026,
    title="Fix tanh_bw ULP precision with fused sech²(x) kernel",
    url="https://github.com/tenstorrent/tt-metal/pull/39378",
)
TANH_OVER_SIGMOID = Source(
    authors="Cross Validated",
    year=2018,
    title="Why is tanh almost always better than sigmoid as an activation function?",
    url="https://stats.stackexchange.com/questions/330559/"
    "why-is-tanh-almost-always-better-than-sigmoid-as-an-activation-function",
)
TORCHEDUP = Source(authors="torchedup.dev", title="GELU", url="https://torchedup.dev/problems/gelu")
TSANG = Source(
    authors="Tsang",
    year=2023,
    title="Brief review: GLU variants improve transformer",
    url="https://sh-tsang.medium.com/brief-review-glu-variants-improve-transformer-9ee943115ab",
)
TUTORIAL_EXAMPLE = Source(
    authors="Tutorial Example",
    title="An explain to why not use ReLU activation function in RNN or LSTM?",
    url="https://tutorialexample.com/"
    "an-explain-to-why-not-use-relu-activation-functionin-rnn-or-lstm-machine-learning-tutorial/amp",
)
VANISHING_RELU = Source(
    authors="Data Science Stack Exchange",
    year=2016,
    title="ReLU does have 0 gradient by definition, then why gradient vanish is not a problem for x < 0?",
    url="https://datascience.stackexchange.com/questions/11591/"
    "relu-does-have-0-gradient-by-definition-then-why-gradient-vanish-is-not-a-probl",
)
VASIM = Source(
    authors="Vasim",
    title="Which activation function to use when",
    url="https://www.mohdvasim.com/blog/deep-learning/03-activations/08-activation-guide",
)
ZERO_ENTROPY = Source(authors="ZeroEntropy", title="GELU", url="https://zeroentropy.dev/concepts/gelu/")
ZERO_ENTROPY_SILU = Source(authors="ZeroEntropy", title="SiLU", url="https://zeroentropy.dev/concepts/silu/")
ZILLIZ = Source(
    authors="Zilliz",
    title="How do I handle class imbalance in a dataset?",
    url="https://zilliz.com/ai-faq/how-do-i-handle-class-imbalance-in-a-dataset",
)
