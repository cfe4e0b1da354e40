# A template: version, url and sha256 are filled in with a release. Untested: it
# has never run on a real macOS. No licence is named: the owner has chosen none
# yet.
class Falcred < Formula
  desc "Credential daemon for fal.ai logins"
  homepage "https://github.com/falcred/falcred"
  url "https://github.com/falcred/falcred/archive/refs/tags/v0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  head "https://github.com/falcred/falcred.git", branch: "main"

  depends_on "go" => :build

  def install
    ENV["CGO_ENABLED"] = "0"
    helper = "-X github.com/falcred/falcred/helper/dockercred.release=#{version}"
    system "go", "build", *std_go_args(ldflags: "-s -w -X main.release=#{version} #{helper}"), "./cmd/falcred"
    system "go", "build", *std_go_args(ldflags: "-s -w #{helper}", output: bin/"docker-credential-fal"), "./cmd/docker-credential-fal"
    generate_completions_from_executable(bin/"falcred", "completion")
    man1.install "packaging/docker-credential-fal.1"
    man5.install "packaging/falcred.env.5"
  end

  # `falcred service install` does the same, and knows FAL_HOME_DIR.
  service do
    run [opt_bin/"falcred", "run"]
    keep_alive crashed: true
    log_path var/"log/falcred.log"
    error_log_path var/"log/falcred.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/falcred version")
  end
end
